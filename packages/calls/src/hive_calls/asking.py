"""What a function may ask of Hive instead of giving a result: to be run again later.

    from hive_calls.asking import Park, Snooze

    def fetch(day: str) -> int:
        if not report_is_there(day):
            raise Snooze(timedelta(minutes=10))
        if not is_approved(day):
            raise Park("somebody has to approve it")

Neither costs an attempt: it is no failure. Each may be raised or returned; raised, it passes
through the function's callers as any exception does, and `except Exception` stops it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hive_contracts.outcomes import Parked

__all__ = ["Asking", "Park", "Snooze", "outcome_of"]

LONGEST_REASON: Final = 1000


class Asking(Exception):  # noqa: N818 - it is a wish, and no error
    """What a function asks for. Raise or return `Snooze` or `Park`."""

    reason: str
    again_after: timedelta | None = None
    until: datetime | None = None

    def as_plain(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        after, until = self.again_after, self.until
        return {
            "reason": self.reason[:LONGEST_REASON],
            "seconds": None if after is None else after.total_seconds(),
            "until": None if until is None else until.astimezone(UTC).isoformat(),
        }


class Snooze(Asking):
    """Run the task again after a while."""

    def __init__(self, delay: timedelta, reason: str | None = None) -> None:
        """Ask for a while.

        Args:
            delay: how long to wait.
            reason: why, for people who look at the task.

        Raises:
            ValueError: the delay is negative or longer than a year.
        """
        if not timedelta(0) <= delay <= timedelta(days=366):
            raise ValueError(f"a snooze lasts from 0 to 366 days, not {delay}")
        self.again_after = delay
        self.reason = reason or "it asked to be run again later"
        super().__init__(self.reason)


class Park(Asking):
    """Set the task aside until a moment, or until somebody lets it go on (`hive unpark`)."""

    def __init__(self, reason: str | None = None, *, until: datetime | None = None) -> None:
        """Ask to be set aside.

        Args:
            reason: why, for people who look at the task.
            until: when it goes on by itself (aware); None for only when somebody says so.

        Raises:
            ValueError: the moment has no time zone.
        """
        if until is not None and until.tzinfo is None:
            raise ValueError(f"until needs a time zone: {until.isoformat()}")
        self.until = until
        self.reason = reason or "it asked to be set aside"
        super().__init__(self.reason)


def outcome_of(plain: dict[str, Any]) -> Parked:
    """Return what it means that a function asked for what `as_plain` told."""
    seconds, until = plain["seconds"], plain["until"]
    return Parked(
        plain["reason"],
        again_after=None if seconds is None else timedelta(seconds=seconds),
        until=None if until is None else datetime.fromisoformat(until),
    )
