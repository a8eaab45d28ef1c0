"""What tests ask of Postgres beside what Hive itself does: let time pass, let a lease lapse."""

from datetime import datetime, timedelta

from hive_contracts.ids import TaskId
from hive_store.line import Line
from hive_store.submitting import HELD_UNTIL

__all__ = ["RehearsalStore"]


class RehearsalStore:
    """The statements of tests. They touch all tasks, and belong on no database that is in use."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def now(self) -> datetime:
        """Return the database's time."""
        return await self._line.fetch_value("read_clock")

    async def pass_time(self, passed: timedelta) -> None:
        """Make it so that all that is remembered happened, or is due, so much earlier.

        What moves is listed in `pass_time.sql`.
        """
        await self._line.fetch("pass_time", passed, HELD_UNTIL)

    async def next_due(self, queue: str | None) -> timedelta | None:
        """Return how long it is until a scheduled task falls due; None if none is to.

        Args:
            queue: of this queue alone; None for any.
        """
        return await self._line.fetch_value("find_next_due", queue, HELD_UNTIL)

    async def lapse(self, task_id: TaskId) -> bool:
        """Have the lease of a task run out; return whether anybody held the task."""
        return await self._line.fetch_value("lapse_lease", task_id) is not None
