"""Durations as text, in one form for every place where a person or a row says one: 30s, 1h30m."""

import re
from datetime import timedelta
from typing import Final

__all__ = ["duration_in", "is_duration", "text_of"]

UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
WHOLE: Final = re.compile(rf"(?:{PART.pattern})+")
BARE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
SPANS: Final = ((86400, "d"), (3600, "h"), (60, "m"))


def is_duration(text: str) -> bool:
    """Return whether `text` is written as a duration; a number alone is seconds."""
    return (WHOLE.fullmatch(text) or BARE.fullmatch(text)) is not None


def duration_in(text: str) -> timedelta:
    """Return the duration that `text` says.

    Raises:
        ValueError: it says none.
        OverflowError: it is longer than any timedelta.
    """
    if not is_duration(text):
        raise ValueError(f"{text!r} is no duration; write it like 30s, 5m, 1h30m or 2d")
    parts = PART.findall(text) or [(text, "s")]
    return timedelta(seconds=sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts))


def text_of(length: timedelta) -> str:
    """Return a duration that is not negative as exact text, which `duration_in` reads: 1h30m."""
    rest_microseconds = length // timedelta(microseconds=1)
    text = ""
    for unit_seconds, unit in SPANS:
        count, rest_microseconds = divmod(rest_microseconds, unit_seconds * 1_000_000)
        text += f"{count}{unit}" if count else ""
    if rest_microseconds or not text:
        text += f"{rest_microseconds / 1_000_000:.6f}".rstrip("0").rstrip(".") + "s"
    return text
