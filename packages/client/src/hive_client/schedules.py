"""Schedules: tasks that are submitted again and again, at moments that are known before.

    await hive.schedules.add("nightly", Cron("30 3 * * *", "Europe/Berlin"), call(clean_up))
    await hive.schedules.add("pulse", Every(timedelta(minutes=5)), NewTask(kind="command", ...))
    print((await hive.schedules.show("nightly")).next_at)

A queen submits them: while none runs, nothing is submitted, and `missed` says what happens then.
"""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from itertools import islice

from hive_client.payloads import check_payload_if_known
from hive_contracts.ids import TaskId
from hive_contracts.schedules import (
    DEFAULT_MAX_MISSED,
    Missed,
    NewSchedule,
    Overlap,
    Schedule,
    ScheduleTick,
    When,
)
from hive_contracts.tasks import NewTask
from hive_contracts.ticks import ticks_after
from hive_store.deeds import Actor, myself
from hive_store.schedule_store import ScheduleStore

__all__ = ["Schedules", "next_ticks"]


class Schedules:
    """The schedules of a Hive."""

    def __init__(self, store: ScheduleStore, *, actor: Actor | None = None) -> None:
        """Make them over `store`; `actor` is named in the audit log, else who runs this process."""
        self.store = store
        """All that can be asked of schedules."""

        self._actor = actor or myself()

    async def add(
        self,
        name: str,
        when: When,
        task: NewTask,
        *,
        missed: Missed = Missed.LAST,
        max_missed: int = DEFAULT_MAX_MISSED,
        overlap: Overlap = Overlap.SKIP,
        spread: timedelta | None = None,
        replace: bool = False,
    ) -> Schedule:
        """Add a schedule, and return it.

        Args:
            name: what to call it; no two schedules share a name.
            when: `Cron`, `Every` or `Once`.
            task: what each tick submits. In its payload the text `{tick}` stands for the tick's
                moment, in ISO 8601 with the offset of the schedule's zone.
            missed: what becomes of ticks while no queen runs.
            max_missed: most ticks that are made up for, or wait.
            overlap: what becomes of a tick while a task of an earlier one has not ended.
            spread: tasks start up to so long after their tick, at random; a day at most.
            replace: also if there is one of this name: it is then what is said here.

        Raises:
            RefusedScheduleError: it may not be added as it stands; the message says why.
            RefusedTaskError: its task may not be submitted as it stands.
            MalformedPayloadError: the kind, if it is installed here, refuses the payload.
        """
        check_payload_if_known(task.kind, task.payload)
        schedule = NewSchedule(
            name=name,
            when=when,
            task=task,
            missed=missed,
            max_missed=max_missed,
            overlap=overlap,
            spread=spread,
        )
        await self.store.put(schedule, replaces=replace, actor=self._actor)
        return await self.store.read(name)

    async def all(self) -> AsyncGenerator[Schedule]:
        """Yield every schedule, by name."""
        async for page in self.store.pages():
            for schedule in page:
                yield schedule

    async def show(self, name: str) -> Schedule:
        """Return a schedule.

        Raises:
            UnknownScheduleError: there is none of that name.
        """
        return await self.store.read(name)

    async def ticks(self, name: str, *, limit: int = 20) -> list[ScheduleTick]:
        """Return what became of a schedule's last ticks, the last one first. Raises as `show`."""
        return await self.store.ticks((await self.store.read(name)).id, limit=limit)

    async def pause(self, name: str) -> bool:
        """Have nothing submitted from now on; return whether it was not paused before.

        Raises as `show` does.
        """
        return await self.store.set_paused(name, is_paused=True, actor=self._actor)

    async def resume(self, name: str) -> bool:
        """Have it go on with the next tick; return whether it was paused.

        What came meanwhile is not made up for. Raises as `show` does.
        """
        return await self.store.set_paused(name, is_paused=False, actor=self._actor)

    async def remove(self, name: str) -> None:
        """Remove a schedule; its tasks stay. Raises as `show` does."""
        await self.store.remove(name, actor=self._actor)

    async def run(self, name: str) -> TaskId:
        """Submit its task now, whatever else it does; return the task's id. Raises as `show`."""
        return await self.store.run(name, actor=self._actor)


def next_ticks(schedule: Schedule, *, count: int) -> list[datetime]:
    """Return the next moments at which a schedule falls due, were it not paused."""
    if schedule.fault is not None:
        return []
    after = schedule.now
    if schedule.next_at is not None and schedule.next_at <= after:
        after = schedule.next_at - timedelta(microseconds=1)
    return list(islice(ticks_after(schedule.when, after), count))
