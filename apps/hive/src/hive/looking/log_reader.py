"""Read the event log in order and print what is wanted of it: nothing is missed, nothing twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from hive.looking.event_lines import as_json_line, as_line
from hive.looking.sieve import Sieve
from hive.moments import moment_of, show_moment
from hive.printing import say, show
from hive.tasks.reaching import View
from hive_contracts.errors import UnknownTaskError
from hive_contracts.events import Cursor, Event
from hive_contracts.ids import TaskId

__all__ = ["LogReader"]

PAGE: Final = 1000

When: TypeAlias = datetime | timedelta
"""A moment, or how long ago."""


class LogReader:
    """One reader, and how far it has come."""

    def __init__(self, view: View, sieve: Sieve, *, is_json: bool) -> None:
        self._view = view
        self._sieve = sieve
        self._write = as_json_line if is_json else as_line
        self.cursor = Cursor()
        """The last event that was read, wanted or not; the beginning of the log at first."""

        self._is_exact = False

    async def check_task(self, task_id: TaskId) -> None:
        """Do nothing if there is such a task, or the log tells of it.

        Raises:
            UnknownTaskError: there is none.
        """
        if await self._view.tasks.states([task_id]):
            return
        # One that retention has deleted may have left its events.
        if not await self._view.events.of_task(task_id, limit=1):
            raise UnknownTaskError(task_id)

    async def begin(self, *, since: When | None, until: When | None) -> None:
        """Take no event before `since`, nor from `until` on; go to where all others lie ahead."""
        if since is None and until is None:
            return
        log, now = self._view.events, await self._view.onlooker.now()
        begins, ends = (
            None if when is None else moment_of(when, now=now, flag=flag)
            for flag, when in (("--since", since), ("--until", until))
        )
        self._sieve = replace(self._sieve, since=begins, until=ends)
        if begins is not None:
            # Asked first: what comes in between is then ahead, too.
            end = await log.end()
            self.cursor = await log.place_of(begins) or end
            dropped = await log.dropped_until()
            if dropped is not None and begins <= dropped:
                say(
                    f"hive: events up to {show_moment(dropped)} were dropped (queen.event_days says"
                    " for how long they are kept)"
                )

    async def go_to(self, cursor: Cursor) -> None:
        """Go on behind a cursor.

        Raises:
            LostEventsError: the log does not hold all that came behind it.
        """
        self.cursor, self._is_exact = cursor, True
        await self._view.events.check_kept(cursor)

    async def print_last(self, limit: int) -> None:
        """Print the last events that are wanted, and go to the end of the log."""
        log, wanted = self._view.events, list[Event]()
        self.cursor = place = await log.end()
        while len(wanted) < limit:
            page = await log.before(place, limit=PAGE)
            wanted += await self._sieve.pick(self._view, page)
            if len(page) < PAGE or page[-1].cursor is None:
                break
            place = page[-1].cursor
        self._print(wanted[:limit][::-1])

    async def print_all_of(self, task_id: TaskId) -> None:
        """Print what is wanted of a task's events, and go to the end of the log."""
        self.cursor = await self._view.events.end()
        events = await self._view.events.of_task(task_id)
        # What has not settled yet lies ahead.
        settled = [e for e in events if e.cursor is not None and e.cursor <= self.cursor]
        self._print(await self._sieve.pick(self._view, settled))

    async def read_on(self) -> bool:
        """Print what is wanted of the next events; return whether there are more at once.

        Raises:
            StoreUnavailableError: Postgres did not answer; nothing was printed.
            LostEventsError: what came behind a cursor that was given is not kept any more.
        """
        page = await self._view.events.after(self.cursor, limit=PAGE)
        if self._is_exact and page:
            # Days may have been dropped since the last page.
            await self._view.events.check_kept(self.cursor)
        self._print(await self._sieve.pick(self._view, page))
        if page and page[-1].cursor is not None:
            self.cursor = page[-1].cursor
        return len(page) == PAGE

    def _print(self, events: Sequence[Event]) -> None:
        if events:
            show("\n".join(map(self._write, events)))
