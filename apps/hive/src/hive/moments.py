"""Moments as people say them: 10m for ten minutes ago, or a date with a time."""

from datetime import UTC, datetime, timedelta
from typing import Final

from hive.durations import is_duration, read_duration
from hive_contracts.errors import ConfigurationError

__all__ = [
    "is_endless",
    "moment_of",
    "parked_in_words",
    "read_until",
    "read_when",
    "show_moment",
]

ENDLESS: Final = datetime.max.replace(tzinfo=UTC)
"""What is read of Postgres' infinity."""


def show_moment(at: datetime) -> str:
    """Return a moment as the clock on the wall tells it, in 19 characters."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def read_when(text: str, *, flag: str) -> datetime | timedelta:
    """Return what `text` says: a moment, or how long ago. Without a time zone it is local time.

    Raises:
        ConfigurationError: it says neither; the message names the flag.
    """
    try:
        # First: 20300131 is a day, and not so many seconds.
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        if is_duration(text):
            return read_duration(text, flag=flag)
        raise ConfigurationError(
            f"{flag} is {text!r}; write how long ago, like 10m or 2d, or a moment,"
            " like 2030-01-31T17:00"
        ) from None


def read_until(text: str, *, flag: str) -> datetime:
    """Return until when `text` says: a moment, or how long from now.

    Raises:
        ConfigurationError: it says neither, or leads beyond the end of time.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        if not is_duration(text):
            raise ConfigurationError(
                f"{flag} is {text!r}; write for how long, like 10m or 2d, or a moment,"
                " like 2030-01-31T17:00"
            ) from None
    try:
        return datetime.now(UTC) + read_duration(text, flag=flag)
    except OverflowError:
        raise ConfigurationError(f"{flag} is {text!r}, which is too long") from None


def parked_in_words(reason: str, until: datetime) -> str:
    """Return why a task is set aside, and until when."""
    end = "" if is_endless(until) else f" until {show_moment(until)}"
    return f"parked{end}: {reason}"


def is_endless(moment: datetime) -> bool:
    """Return whether a moment stands for one that never comes."""
    return moment >= ENDLESS


def moment_of(when: datetime | timedelta, *, now: datetime, flag: str) -> datetime:
    """Return the moment itself.

    Raises:
        ConfigurationError: it is before all time.
    """
    if isinstance(when, datetime):
        return when
    try:
        return now - when
    except OverflowError:
        raise ConfigurationError(f"{flag} is {when.days:,} days, which is too long") from None
