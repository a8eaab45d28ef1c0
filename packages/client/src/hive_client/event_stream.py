"""The event log behind a cursor, as it grows: in order, nothing missing, whatever commits when.

The bus says when to look, and the log is looked at now and then all the same. Days are dropped from
the log; a reader that has not come as far is told, and not led over the gap.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from hive_client.news import News
from hive_contracts.errors import StoreUnavailableError, UsageError
from hive_contracts.events import Cursor, Event, EventType
from hive_contracts.ids import TaskId
from hive_store import EventFilter, EventLog, Line, Selector
from hive_store.task_ids import checked_ids

__all__ = ["EventStream", "checked_cursor", "event_filter"]

PAGE_EVENTS: Final = 1000
LOOK_SECONDS: Final = 0.5
"""How long a hint that is lost can delay an event."""

PAUSE_SECONDS: Final = 0.2
"""Before Postgres is asked again when it did not answer."""

log = logging.getLogger(__name__)


class EventStream:
    """What is wanted of the log, page by page."""

    def __init__(self, line: Line, news: News, wanted: EventFilter, cursor: Cursor) -> None:
        self._log = EventLog(line)
        self._selector = Selector(line)
        self.news = news
        self._wanted = wanted
        self._is_away = False
        self.cursor = cursor
        """The last event that was read, wanted or not."""

    async def read_on(self, stirred: asyncio.Event) -> list[Event]:
        """Return what is wanted of the next page: nothing if there is none, after a while.

        Outlives a Postgres that is away.

        Args:
            stirred: of `News.stirring`; when it is set there may be something to read.

        Raises:
            LostEventsError: the log does not hold all that came behind the cursor.
        """
        await self.news.begin()
        stirred.clear()
        try:
            page = await self._log.after(self.cursor, limit=PAGE_EVENTS)
            # Asked after the read: what has been dropped since is on the page.
            await self._log.check_kept(self.cursor)
            wanted = await self._wanted.pick(self._selector, page)
        except StoreUnavailableError as error:
            await self._sit_out(error)
            return []
        self._note_that_it_answers()
        if page and page[-1].cursor is not None:
            self.cursor = page[-1].cursor
        else:
            await _wait(stirred)
        return wanted

    async def _sit_out(self, error: StoreUnavailableError) -> None:
        if not self._is_away:
            log.warning("%s; still trying", error)
        self._is_away = True
        await asyncio.sleep(PAUSE_SECONDS)

    def _note_that_it_answers(self) -> None:
        if self._is_away:
            log.warning("Postgres is back")
        self._is_away = False


async def _wait(stirred: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await stirred.wait()
    except TimeoutError:
        return


def event_filter(
    *,
    types: Iterable[str],
    tasks: Iterable[TaskId],
    group: str | None,
    queue: str | None,
    kind: str | None,
) -> EventFilter:
    """Return the filter that the arguments of a reader say.

    Raises:
        UsageError: there is no such type of event, or an id is no whole number.
    """
    words = (types,) if isinstance(types, str) else tuple(types)
    for word in words:
        if word not in frozenset(EventType):
            raise UsageError(f"{word!r} is no type of event; types: {', '.join(EventType)}")
    return EventFilter(
        types=frozenset(map(EventType, words)),
        task_ids=frozenset(checked_ids(tasks)),
        group=group,
        queue=queue,
        kind=kind,
    )


def checked_cursor(after: Cursor | str) -> Cursor:
    """Return a cursor that may be written as text.

    Raises:
        UsageError: it is none.
    """
    cursor = after if isinstance(after, Cursor) else Cursor.parse(str(after))
    if cursor is None:
        raise UsageError(f"a cursor is XID:ID, as str(event.cursor) is, not {after!r}")
    return cursor
