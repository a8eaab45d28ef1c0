"""Room for running tasks: a backlog in front of a fixed number of slots.

A slot is a coroutine that lives as long as the worker and takes one task after another, so a task
that never waits for anything costs no asyncio task of its own. `room` tells the receivers how many
more tasks could begin: while it is 0 they leave bundles to other workers.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Never

from hive_contracts.clocks import Clock
from hive_store.worker_store import LeasedTask

__all__ = ["Slots"]

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
        self._run = run
        self._ahead_seconds = ahead_seconds
        self._clock = clock
        self._backlog: deque[tuple[float, LeasedTask]] = deque()
        self._arrived = asyncio.Event()
        self._changed = asyncio.Event()
        self._seconds_per_task: float | None = None
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
        if not self._is_taking:
            return 0
        free = self.count - self.busy - len(self._backlog)
        if free <= 0 and self._seconds_per_task is not None:
            ahead = int(self._ahead_seconds * self.count / max(self._seconds_per_task, 1e-6))
            free = ahead - len(self._backlog) if ahead > self.count else 0
        return max(0, free)

    async def wait_for_room(self) -> None:
        """Return once a task could begin."""
        while self.room == 0:
            self._changed.clear()
            await self._changed.wait()

    def put(self, tasks: list[LeasedTask]) -> None:
        """Let tasks wait for slots, in this order."""
        now = self._clock.seconds()
        self._backlog.extend((now, task) for task in tasks)
        self._arrived.set()

    def take_overdue(self, *, seconds: float) -> list[LeasedTask]:
        """Take back what has waited for longer than `seconds`; 0 takes everything."""
        limit = self._clock.seconds() - seconds
        overdue: list[LeasedTask] = []
        while self._backlog and self._backlog[0][0] <= limit:
            overdue.append(self._backlog.popleft()[1])
        if overdue:
            self._changed.set()
        return overdue

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
        self.busy -= 1
        self._group.create_task(self._serve(), name=f"{slot.get_name()}, opened again")
        self._changed.set()

    async def _serve(self) -> None:
        slot = asyncio.current_task()
        while slot not in self._abandoned:
            while not self._backlog or not self._is_taking:
                self._arrived.clear()
                await self._arrived.wait()
            self.busy += 1
            try:
                await self._run_some(slot)
            finally:
                if slot not in self._abandoned:
                    self.busy -= 1
                self._changed.set()
            await asyncio.sleep(0)
        self._abandoned.discard(slot)

    async def _run_some(self, slot: asyncio.Task[None] | None) -> None:
        """Run tasks one after another; after a few, let others have the loop."""
        began = self._clock.seconds()
        for _ in range(TASKS_BETWEEN_YIELDS):
            if not self._backlog or not self._is_taking:
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
