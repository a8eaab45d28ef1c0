"""Schedules for programs without asyncio; each method does what that of `Schedules` does."""

from collections.abc import AsyncGenerator, Generator
from datetime import timedelta

from hive_client.hive import Hive
from hive_client.loop_thread import LoopThread
from hive_client.schedules import Schedules
from hive_contracts.ids import TaskId
from hive_contracts.schedules import (
    DEFAULT_MAX_MISSED,
    Missed,
    Overlap,
    Schedule,
    ScheduleTick,
    When,
)
from hive_contracts.tasks import NewTask

__all__ = ["SyncSchedules"]


class SyncSchedules:
    """The schedules of a Hive."""

    def __init__(self, thread: LoopThread[Hive], schedules: Schedules) -> None:
        self._thread = thread
        self._schedules = schedules

    def add(
        self,
        name: str,
        when: When,
        task: NewTask,
        *,
        missed: Missed = Missed.LAST,
        max_missed: int = DEFAULT_MAX_MISSED,
        overlap: Overlap = Overlap.SKIP,
        spread: timedelta | None = None,
        expires_in: timedelta | None = None,
        replace: bool = False,
    ) -> Schedule:
        """Add a schedule, and return it; see `Schedules.add`."""
        return self._thread.run(
            self._schedules.add,
            name,
            when,
            task,
            missed=missed,
            max_missed=max_missed,
            overlap=overlap,
            spread=spread,
            expires_in=expires_in,
            replace=replace,
        )

    def all(self) -> Generator[Schedule]:
        """Yield every schedule, by name."""
        schedules = self._schedules.all()
        while (schedule := self._thread.run(_next_of, schedules)) is not None:
            yield schedule

    def show(self, name: str) -> Schedule:
        """Return a schedule; see `Schedules.show`."""
        return self._thread.run(self._schedules.show, name)

    def ticks(self, name: str, *, limit: int = 20) -> list[ScheduleTick]:
        """Return what became of the last ticks; see `Schedules.ticks`."""
        return self._thread.run(self._schedules.ticks, name, limit=limit)

    def pause(self, name: str) -> bool:
        """Have nothing submitted from now on; see `Schedules.pause`."""
        return self._thread.run(self._schedules.pause, name)

    def resume(self, name: str) -> bool:
        """Have it go on with the next tick; see `Schedules.resume`."""
        return self._thread.run(self._schedules.resume, name)

    def remove(self, name: str) -> None:
        """Remove a schedule; see `Schedules.remove`."""
        self._thread.run(self._schedules.remove, name)

    def run(self, name: str) -> TaskId:
        """Submit its task now; see `Schedules.run`."""
        return self._thread.run(self._schedules.run, name)


async def _next_of(schedules: AsyncGenerator[Schedule]) -> Schedule | None:
    return await anext(schedules, None)
