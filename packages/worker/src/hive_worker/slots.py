"""Room for running tasks: a backlog in front of a fixed number of slots.

A slot is a coroutine that lives as long as the worker and takes one task after another, so a task
that never waits for anything costs no asyncio task of its own. `room` tells the receivers how many
more tasks could begin: while it is 0 they leave bundles to other workers.

A task may take several slots: it runs in one of these coroutines while others do nothing. Slots are
kept back for it: from when it is first in the backlog nothing begins before it does, and while it
waits there is no room for anything else. So it begins once enough of what runs has ended, however
many tasks of one slot there are; and it is not taken back for having waited.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Never, TypeAlias

from hive_contracts.clocks import Clock
from hive_contracts.ids import TaskId
from hive_store.worker_store import LeasedTask

__all__ = ["Slots"]

_Waiting: TypeAlias = tuple[float, LeasedTask, int]
"""Since when it waits, and how many slots it takes."""

TASKS_BETWEEN_YIELDS: Final = 8
"""A slot whose tasks never wait lets the loop run after so many of them."""

NEWEST_WEIGHT: Final = 0.1


class Slots:
    """A backlog and the slots that empty it."""

    name = "slots"

    def __init__(
        self,
        count: int,
        *,
        run: Callable[[LeasedTask], Awaitable[None]],
        ahead_seconds: float,
        clock: Clock,
    ) -> None:
        self.count = count
        self.busy = 0
        """How many slots are taken."""

        self._run = run
        self._ahead_seconds = ahead_seconds
        self._clock = clock
        self._backlog: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._changed = asyncio.Event()
        self._seconds_per_task: float | None = None
        self.kept_back_for: tuple[TaskId, ...] = ()
        """The tasks of several slots that wait. Any thread may look."""

        self._wide_running: dict[asyncio.Task[None] | None, int] = {}
        self._is_taking = True
        self._abandoned: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    @property
    def abandoned(self) -> int:
        """How many slots were given up that still run what did not stop."""
        return len(self._abandoned)

    @property
    def waiting(self) -> int:
        """How many accepted tasks wait for a slot."""
        return len(self._backlog)

    @property
    def room(self) -> int:
        """How many more tasks could begin now, or soon, those ahead being known to be short."""
        if not self._is_taking or self.kept_back_for:
            return 0
        free = self.count - self.busy - len(self._backlog)
        if free <= 0 and self._seconds_per_task is not None:
            count = self.count - sum(self._wide_running.values())
            ahead = int(self._ahead_seconds * count / max(self._seconds_per_task, 1e-6))
            free = ahead - len(self._backlog) if ahead > count else 0
        return max(0, free)

    def has_room_for(self, slots: int) -> bool:
        """Return whether a task that takes so many slots could begin now."""
        return self.room > 0 and self.count - self.busy - len(self._backlog) >= slots

    def may_keep_back(self, slots: int) -> bool:
        """Return whether a task of so many slots may wait here for some of them.

        One must be free, or soon, and enough of the others not be taken by tasks as large or
        larger: to wait for those keeps slots empty, and gains nothing on waiting in line.
        """
        taken = sum(each for each in self._wide_running.values() if each >= slots)
        return self.room > 0 and self.count - taken >= slots

    async def wait_for_room(self) -> None:
        """Return once a task could begin."""
        while self.room == 0:
            await self.wait_for_change()

    async def wait_for_change(self) -> None:
        """Return once something has begun to wait no more, or has ended."""
        self._changed.clear()
        await self._changed.wait()

    def put(self, tasks: list[LeasedTask], *, slots: int = 1) -> None:
        """Let tasks wait, in this order; each takes so many slots."""
        now = self._clock.seconds()
        self._backlog.extend((now, task, slots) for task in tasks)
        if slots > 1:
            self._see_what_is_wide()
        self._arrived.set()

    def withdraw(self, is_gone: Callable[[LeasedTask], bool]) -> list[LeasedTask]:
        """Take back of those that slots are kept back for the ones that shall not begin."""
        if not self.kept_back_for:
            return []
        gone = [each for each in self._backlog if each[2] > 1 and is_gone(each[1])]
        for each in gone:
            self._backlog.remove(each)
        self._see_what_is_wide()
        self._arrived.set()
        self._changed.set()
        return [leased for _, leased, _ in gone]

    def take_overdue(self, *, seconds: float) -> list[LeasedTask]:
        """Take back what has waited for longer than `seconds`, but nothing of several slots."""
        limit = self._clock.seconds() - seconds
        overdue: list[LeasedTask] = []
        kept: list[_Waiting] = []
        while self._backlog and self._backlog[0][0] <= limit:
            waiting = self._backlog.popleft()
            if waiting[2] > 1:
                kept.append(waiting)
            else:
                overdue.append(waiting[1])
        self._backlog.extendleft(reversed(kept))
        if overdue:
            self._changed.set()
        return overdue

    def take_all(self) -> list[LeasedTask]:
        """Take back everything that waits."""
        waiting = [leased for _, leased, _ in self._backlog]
        self._backlog.clear()
        self.kept_back_for = ()
        if waiting:
            self._changed.set()
        return waiting

    def stop_taking(self) -> None:
        """Have no room from now on, and begin nothing that waits."""
        self._is_taking = False

    async def run(self) -> Never:
        """Run every slot until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for number in range(self.count):
                group.create_task(self._serve(), name=f"slot {number}")
        raise AssertionError("a slot ended")

    def abandon(self, slot: asyncio.Task[None]) -> None:
        """Give up a slot whose task does not stop, and open another in its place.

        What runs there goes on until it returns, and takes no further task.
        """
        if self._group is None:
            raise RuntimeError("the slots do not run")
        self._abandoned.add(slot)
        self.busy -= self._wide_running.pop(slot, 1)
        self._group.create_task(self._serve(), name=f"{slot.get_name()}, opened again")
        self._changed.set()

    async def _serve(self) -> None:
        slot = asyncio.current_task()
        while slot not in self._abandoned:
            while not self._backlog or not self._is_taking or not self._has_slots_for_next():
                self._arrived.clear()
                await self._arrived.wait()
            if self.kept_back_for and self._is_wide_next():
                await self._run_wide(slot)
                continue
            self.busy += 1
            try:
                await self._run_some(slot)
            finally:
                if slot not in self._abandoned:
                    self.busy -= 1
                self._changed.set()
            await asyncio.sleep(0)
        self._abandoned.discard(slot)

    def _has_slots_for_next(self) -> bool:
        return self._backlog[0][2] <= self.count - self.busy

    def _see_what_is_wide(self) -> None:
        self.kept_back_for = tuple(
            leased.task.id for _, leased, slots in self._backlog if slots > 1
        )

    def _is_wide_next(self) -> bool:
        return self._backlog[0][2] > 1

    async def _run_wide(self, slot: asyncio.Task[None] | None) -> None:
        """Run a task that takes several slots; afterwards others have the loop."""
        _, leased, slots = self._backlog.popleft()
        self._see_what_is_wide()
        self._wide_running[slot] = slots
        self.busy += slots
        self._changed.set()
        self._arrived.set()  # what comes behind it may begin as well
        try:
            await self._run(leased)
        finally:
            self.busy -= self._wide_running.pop(slot, 0)
            self._changed.set()
            self._arrived.set()
        await asyncio.sleep(0)

    async def _run_some(self, slot: asyncio.Task[None] | None) -> None:
        """Run tasks one after another; after a few, let others have the loop."""
        began = self._clock.seconds()
        for _ in range(TASKS_BETWEEN_YIELDS):
            if not self._backlog or not self._is_taking:
                return
            if self.kept_back_for and self._is_wide_next():
                return
            await self._run(self._backlog.popleft()[1])
            if slot in self._abandoned:
                return
            ended = self._clock.seconds()
            self._learn(ended - began)
            began = ended
            self._changed.set()

    def _learn(self, seconds: float) -> None:
        known = self._seconds_per_task if self._seconds_per_task is not None else seconds
        self._seconds_per_task = max(seconds, known + NEWEST_WEIGHT * (seconds - known))
