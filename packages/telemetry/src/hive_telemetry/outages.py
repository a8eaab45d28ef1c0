"""An outage is told once and not by every loop that meets it; at growing intervals; and its end.

    warning(..., error=reason)    the first with this reason is told; it is told again after 5 s,
                                  10 s, 20 s, ... if it still goes on, with how often it was met
    info(..., over=reason)        told if the outage with this reason was, and was not yet over

Loops know nothing of one another, so it is the log that holds their words together.
"""

from dataclasses import dataclass
from typing import Any, Final

import structlog

from hive_contracts.clocks import BootClock, Clock

__all__ = ["Outages"]

FIRST_QUIET_SECONDS: Final = 5.0
LONGEST_QUIET_SECONDS: Final = 300.0
MOST_REASONS: Final = 100
"""Reasons that hold a number never come again; the oldest are forgotten beyond so many."""


@dataclass(slots=True)
class _Told:
    at_seconds: float
    quiet_seconds: float
    met: int = 0
    """How often it was met and not told since."""


class Outages:
    """A processor of structlog: lets through what is news."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or BootClock()
        self._told: dict[tuple[str, str], _Told] = {}

    def __call__(self, _logger: Any, method: str, event: Any) -> Any:
        """Return `event`, or drop it."""
        over: str | None = event.pop("over", None)
        if over is not None:
            return self._end(over, event)
        reason: str | None = event.get("error")
        if method != "warning" or reason is None:
            return event
        told = self._told.get((reason, event["event"]))
        if told is None:
            self._remember((reason, event["event"]))
            return event
        return self._again(told, event)

    def _again(self, told: _Told, event: Any) -> Any:
        now = self._clock.seconds()
        told.met += 1
        if now - told.at_seconds < told.quiet_seconds:
            raise structlog.DropEvent
        event["met_since"] = told.met
        told.at_seconds, told.met = now, 0
        told.quiet_seconds = min(2 * told.quiet_seconds, LONGEST_QUIET_SECONDS)
        return event

    def _end(self, reason: str, event: Any) -> Any:
        ended = [key for key in list(self._told) if key[0] == reason]
        for key in ended:
            self._told.pop(key, None)
        if not ended:
            raise structlog.DropEvent
        return event

    def _remember(self, key: tuple[str, str]) -> None:
        while len(self._told) >= MOST_REASONS:
            self._told.pop(next(iter(self._told)), None)
        self._told[key] = _Told(self._clock.seconds(), FIRST_QUIET_SECONDS)
