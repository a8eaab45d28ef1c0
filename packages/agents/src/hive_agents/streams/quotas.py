"""Tell from an error's text that a quota is used up, and when there is quota again.

Only what a program says of an error is looked at, never what its model says: an agent may well
write about rate limits. What no text says is left open: the breaker's own wait stands in.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from hive_agents.streams.report import Quota

__all__ = ["QUOTA_TEXTS", "Quotas", "now", "when_reset"]

QUOTA_TEXTS: Final = (
    "usage limit",
    "session limit",
    "weekly limit",
    "rate limit",
    "rate_limit",
    "usage_limit",
    "quota exceeded",
    "exceeded your current quota",
    "exhausted your capacity",
    "resource_exhausted",
    "too many requests",
    "credit balance is too low",
)
"""What an error says, in small letters, that tells of a quota."""

LONGEST_WAIT: Final = timedelta(days=366)
LONGEST_REASON: Final = 500

_HOURS: Final = 24

_epoch: Final = re.compile(r"(?:\||resets?_?at\"?\s*[:=]\s*)(\d{10})\b", re.IGNORECASE)
_seconds: Final = re.compile(
    r"(?:resets_in_seconds|retry[-_ ]after)\"?\s*[:=]?\s*(\d+(?:\.\d+)?)", re.IGNORECASE
)
_span: Final = re.compile(
    r"(?:in|after)\s+((?:\d+(?:\.\d+)?\s*(?:d(?:ays?)?|h(?:(?:ou)?rs?)?|m(?:in(?:ute)?s?)?"
    r"|s(?:ec(?:ond)?s?)?)\b,?\s*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_part: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])", re.IGNORECASE)
_packed: Final = re.compile(r"(?:in|after)\s+((?:\d+(?:\.\d+)?[dhms])+)\b", re.IGNORECASE)
_moment: Final = re.compile(
    r"\bat\s+([A-Z][a-z]{2})[a-z]* (\d{1,2})(?:st|nd|rd|th)?,? (\d{4}),? (\d{1,2}):(\d{2}) ?([AP]M)"
)
_hour: Final = re.compile(
    r"resets?\s+(?:at\s+)?(\d{1,2})(?::(\d{2}))?\s*([ap]m)(?:\s*\(([A-Za-z_]+(?:/[A-Za-z_]+)*)\))?",
    re.IGNORECASE,
)
_SECONDS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def now() -> datetime:
    """Return the moment, by this machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Quotas:
    """Knows the texts of one program."""

    texts: Sequence[str] = QUOTA_TEXTS
    now: Callable[[], datetime] = now

    def met_in(self, error: str | None) -> Quota | None:
        """Return the quota that an error tells of; None if it tells of none."""
        if error is None:
            return None
        small = error.lower()
        if not any(text in small for text in self.texts):
            return None
        return Quota(error[:LONGEST_REASON], self._again_after(error))

    def _again_after(self, text: str) -> timedelta | None:
        if found := _epoch.search(text):
            return when_reset(float(found[1]), self.now)
        if found := _seconds.search(text):
            return _bounded(float(found[1]))
        if found := _packed.search(text) or _span.search(text):
            parts = _part.findall(found[1])
            return _bounded(sum(float(many) * _SECONDS[unit.lower()] for many, unit in parts))
        return self._until_moment(text)

    def _until_moment(self, text: str) -> timedelta | None:
        try:
            if found := _moment.search(text):
                month, day, year, hour, minute, half = found.groups()
                said = f"{month} {day} {year} {hour}:{minute} {half}"
                # Without a time zone it is the clock on the wall.
                until = datetime.strptime(said, "%b %d %Y %I:%M %p").astimezone()
                return _bounded((until - self.now()).total_seconds())
            if found := _hour.search(text):
                return _bounded(self._until_hour(*found.groups()).total_seconds())
        except (ValueError, KeyError, OSError, OverflowError):
            # No such day, or no such place: whenever it is, it is not said.
            return None
        return None

    def _until_hour(self, hour: str, minute: str | None, half: str, place: str | None) -> timedelta:
        here = self.now().astimezone(None if place is None else ZoneInfo(place))
        number = int(hour) % 12 + (12 if half.lower() == "pm" else 0)
        until = here.replace(hour=number, minute=int(minute or 0), second=0, microsecond=0)
        return (until - here) % timedelta(hours=_HOURS)


def when_reset(moment: float | None, now: Callable[[], datetime]) -> timedelta | None:
    """Return how long it is until a moment in seconds since 1970; None if it is past, or unsaid."""
    if moment is None:
        return None
    return _bounded(moment - now().timestamp())


def _bounded(seconds: float) -> timedelta | None:
    # Compared before it is one: a timedelta overflows.
    return timedelta(seconds=seconds) if 0 < seconds <= LONGEST_WAIT.total_seconds() else None
