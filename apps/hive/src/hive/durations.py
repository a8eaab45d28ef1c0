"""Durations as people write and read them: 30s, 5m, 1h30m, 2d; a number alone is seconds."""

from datetime import timedelta
from typing import Final

from hive_contracts.durations import duration_in, is_duration
from hive_contracts.errors import ConfigurationError

__all__ = ["is_duration", "read_duration", "show_roughly", "show_seconds"]

MINUTE: Final = 60
SPANS: Final = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (MINUTE, "m", 1, "s"))
"""Each unit with the one below it, in seconds."""


def read_duration(text: str, *, flag: str) -> timedelta:
    """Return the duration that `text` says.

    Raises:
        ConfigurationError: it says none; the message names the flag.
    """
    if not is_duration(text):
        sign = ", which is negative" if is_duration(text.removeprefix("-")) else ""
        raise ConfigurationError(f"{flag} is {text!r}{sign}; write it like 30s, 5m, 1h30m or 2d")
    try:
        return duration_in(text)
    except OverflowError:
        raise ConfigurationError(f"{flag} is {text!r}, which is too long") from None


def show_seconds(seconds: float) -> str:
    """Return a duration as text, with as much detail as is of use: 0.31 s, 42 s, 5m 10s, 3d 4h."""
    if seconds < MINUTE:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.3g} s"
    whole_seconds = round(seconds)
    for unit_seconds, name, below_seconds, below in SPANS:
        if whole_seconds >= unit_seconds:
            count, rest = divmod(whole_seconds, unit_seconds)
            return f"{count}{name} {rest // below_seconds}{below}"
    raise AssertionError(f"{seconds} is at least a minute")


def show_roughly(seconds: float) -> str:
    """Return a duration in its greatest unit alone, for narrow columns: 42s, 5m, 3h, 12d."""
    whole_seconds = int(seconds)
    for unit_seconds, name, _, _ in SPANS:
        if whole_seconds >= unit_seconds:
            return f"{whole_seconds // unit_seconds}{name}"
    return f"{whole_seconds}s"
