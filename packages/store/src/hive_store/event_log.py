"""The event log, read by cursor: nothing is missed, whatever is still uncommitted.

A reader holds the cursor of the last event it has read. Rows of a transaction are shown only once
every older transaction has ended, so a cursor never steps over a row that commits late. The price:
a transaction left open anywhere on the server holds the tail back (`oldest_transaction` names it).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hive_contracts.events import Cursor, Event, EventType
from hive_contracts.ids import TaskId
from hive_store.line import Line, Row

__all__ = ["BEGINNING", "EventLog", "OpenTransaction"]

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

    async def of_task(self, task_id: TaskId, *, limit: int = 1000) -> list[Event]:
        """Return what the log says of one task, oldest first."""
        return [_event(row) for row in await self._line.fetch("read_task_events", task_id, limit)]

    async def oldest_transaction(self) -> OpenTransaction | None:
        """Return the oldest transaction that is still open on the server, if there is one."""
        rows: Sequence[Row] = await self._line.fetch("find_oldest_transaction")
        return (
            OpenTransaction(
                pid=rows[0]["pid"],
                database=rows[0]["database"],
                user=rows[0]["username"],
                application=rows[0]["application_name"],
                state=rows[0]["state"],
                age_seconds=rows[0]["age_seconds"],
            )
            if rows
            else None
        )


def _event(row: Row) -> Event:
    one, many, attempt = row["task_id"], row["task_ids"], row["attempt"]
    return Event(
        type=EventType(row["type"]),
        task_ids=tuple(TaskId(i) for i in (many if one is None else [one])),
        attempts=() if attempt is None else (attempt,),
        reason=row["reason"],
        at=row["at"],
        cursor=Cursor(row["xid"], row["id"]),
    )
