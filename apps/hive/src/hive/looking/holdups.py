"""Notice that the event log stands still behind an open transaction, and say so once."""

from typing import Final

from hive.durations import show_seconds
from hive.printing import say
from hive_contracts.clocks import BootClock
from hive_store import EventLog
from hive_store.event_log import Holdup

__all__ = ["HoldupWatch"]

LOOK_SECONDS: Final = 1.0
"""Every submit and finish holds the log back for a moment; a person is told of what stays."""


class HoldupWatch:
    """Looks every now and then, while a reader has nothing to read."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._clock = BootClock()
        self._due_at = self._clock.seconds() + LOOK_SECONDS
        self._last: Holdup | None = None
        self._is_told = False

    async def look_if_due(self) -> None:
        """Say who holds the log back if the same transaction did at the last look."""
        if self._clock.seconds() < self._due_at:
            return
        holdup = await self._log.holdup()
        if holdup is None:
            if self._is_told:
                say("hive: the event log goes on")
            self._is_told = False
        elif self._last is not None and _pid(holdup) == _pid(self._last) and not self._is_told:
            say(f"hive: {_sentence(holdup)}")
            self._is_told = True
        self._last = holdup
        self._due_at = self._clock.seconds() + LOOK_SECONDS


def _pid(holdup: Holdup) -> int | None:
    return holdup.by.pid if holdup.by is not None else None


def _sentence(holdup: Holdup) -> str:
    what = "newer events are shown once it has ended"
    if holdup.by is None:
        return f"an open transaction that cannot be seen from here holds the event log back; {what}"
    by = holdup.by
    return (
        f"process {by.pid} of Postgres ({by.application or 'unnamed'}, user {by.user}, database"
        f" {by.database}) has had a transaction open for {show_seconds(by.age_seconds)}; {what}"
    )
