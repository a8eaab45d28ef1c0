"""The event log, read by cursor: nothing is missed, whatever is still uncommitted.

A reader holds the cursor of the last event it has read. Rows of a transaction are shown only once
every older transaction has ended, so a cursor never steps over a row that commits late. The price:
a transaction left open anywhere on the server holds the tail back (`oldest_transaction` names it).
"""

from dataclasses import dataclass
from datetime import datetime

from hive_contracts.errors import LostEventsError
from hive_contracts.events import Cursor, Event, EventType
from hive_contracts.ids import TaskId
from hive_store.line import Line, Row

__all__ = ["BEGINNING", "EventLog", "Holdup", "OpenTransaction"]

BEGINNING = Cursor()
"""Before the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """A transaction that holds back the log's tail and the vacuum."""

    pid: int
    database: str | None
    user: str | None
    application: str | None
    state: str | None
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Holdup:
    """Events are written, and withheld until an older transaction has ended."""

    by: OpenTransaction | None
    """That transaction; None if it is not to be seen (prepared, or of another role)."""


class EventLog:
    """Reads the log over a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def end(self) -> Cursor:
        """Return the place behind everything that has settled: a reader of news begins there."""
        [row] = await self._line.fetch("read_event_end")
        return Cursor(row["xid"], row["id"])

    async def after(self, cursor: Cursor, *, limit: int = 1000) -> list[Event]:
        """Return the next events behind `cursor`, in order; none if nothing has settled since."""
        rows = await self._line.fetch("read_events", str(cursor.xid), cursor.id, limit)
        return [_event(row) for row in rows]

    async def before(self, cursor: Cursor, *, limit: int = 1000) -> list[Event]:
        """Return the events before `cursor`, the latest first: the other way round than `after`."""
        rows = await self._line.fetch("read_events_before", str(cursor.xid), cursor.id, limit)
        return [_event(row) for row in rows]

    async def place_of(self, moment: datetime) -> Cursor | None:
        """Return a place that everything of that moment or later lies behind; None if nothing does.

        Earlier events may lie behind it too: the log is in the order of transactions, not of time.
        """
        rows = await self._line.fetch("find_first_event", moment)
        return Cursor(rows[0]["xid"], rows[0]["id"]) if rows else None

    async def check_kept(self, cursor: Cursor) -> None:
        """Do nothing if the log holds everything behind `cursor`: `BEGINNING` is what there is.

        Asked after a page was read behind it, the page is whole.

        Raises:
            LostEventsError: some of it was dropped with its day, or the cursor is of another log;
                the message says which, and from where on nothing is missing.
        """
        [row] = await self._line.fetch("look_behind_cursor", str(cursor.xid), cursor.id)
        if row["is_ahead"]:
            end = await self.end()
            raise LostEventsError(
                f"cursor {cursor} lies ahead of this event log, whose end is {end}: it is of"
                " another database, or of one before a restore",
                go_on_at=end,
            )
        if row["xid"] is not None and cursor != BEGINNING:
            last = Cursor(row["xid"], row["id"])
            raise LostEventsError(
                f"the event log no longer holds all that came behind cursor {cursor}: events up to"
                f" {row['at']:%Y-%m-%d %H:%M:%S} UTC were dropped (queen.event_days says for how"
                f" long they are kept), and nothing is missing from cursor {last} on",
                go_on_at=last,
            )

    async def dropped_until(self) -> datetime | None:
        """Return the moment of the last event that was dropped with its day; None if none was."""
        [row] = await self._line.fetch("look_behind_cursor", str(BEGINNING.xid), BEGINNING.id)
        return row["at"]

    async def of_task(self, task_id: TaskId, *, limit: int = 1000) -> list[Event]:
        """Return what the log says of one task, and of it alone, oldest first."""
        rows = await self._line.fetch("read_task_events", task_id, limit)
        return [event for row in rows if (event := _event(row).of((task_id,)))]

    async def oldest_transaction(self) -> OpenTransaction | None:
        """Return the oldest transaction that is still open on the server, if there is one."""
        rows = await self._line.fetch("find_oldest_transaction")
        return _transaction(rows[0]) if rows else None

    async def holdup(self) -> Holdup | None:
        """Return what withholds the log's tail from readers; None if they can read all of it."""
        rows = await self._line.fetch("find_log_holder")
        if not rows:
            return None
        return Holdup(_transaction(rows[0]) if rows[0]["pid"] is not None else None)


def _transaction(row: Row) -> OpenTransaction:
    return OpenTransaction(
        pid=row["pid"],
        database=row["database"],
        user=row["username"],
        application=row["application_name"],
        state=row["state"],
        age_seconds=row["age_seconds"],
    )


def _event(row: Row) -> Event:
    one, many, attempt = row["task_id"], row["task_ids"], row["attempt"]
    task_ids = tuple(TaskId(i) for i in (many if one is None else [one]))
    return Event(
        type=EventType(row["type"]),
        task_ids=task_ids,
        attempts=() if attempt is None else (attempt,) * len(task_ids),
        reason=row["reason"],
        at=row["at"],
        cursor=Cursor(row["xid"], row["id"]),
    )
