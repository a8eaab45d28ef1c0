"""Hear which tasks have ended, over the bus, on behalf of everybody who waits.

However many wait, there is one subscription, made when the first of them comes. What is heard is a
hint: who waits looks into the store, where a hint that was lost is found by looking now and then.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import Final

from hive_bus.beside import beside
from hive_bus.bus import Bus
from hive_bus.gap import Gap
from hive_contracts.events import EventFrame, EventType
from hive_contracts.ids import TaskId

__all__ = ["Ear", "News"]

ENDINGS: Final = frozenset({EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELLED})


class Ear:
    """What one waiter has heard and not yet looked into."""

    def __init__(self) -> None:
        self._ended: dict[TaskId, None] = {}
        self._has_gap = False
        self._heard = asyncio.Event()

    def hear(self, task_id: TaskId) -> None:
        """Note that a task is said to have ended."""
        self._ended[task_id] = None
        self._heard.set()

    def miss(self) -> None:
        """Note that something may have been said that was not heard."""
        self._has_gap = True
        self._heard.set()

    def take(self, limit: int) -> list[TaskId]:
        """Return, once each, up to `limit` tasks that are said to have ended."""
        taken = list(islice(self._ended, limit))
        for task_id in taken:
            del self._ended[task_id]
        return taken

    async def wait(self, *, seconds: float) -> bool:
        """Return at the next hint, or after so long; return whether any task may have ended."""
        try:
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        except TimeoutError:
            return True
        self._heard.clear()
        may_be_any, self._has_gap = self._has_gap, False
        return may_be_any


class News:
    """Passes on what is heard to those whom it concerns. Get one from `open`."""

    def __init__(self, bus: Bus | None) -> None:
        self._bus = bus
        self._ears: dict[TaskId, list[Ear]] = {}
        self._wanted = asyncio.Event()
        self._begun = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, bus: Bus | None) -> "AsyncGenerator[News]":
        """Give news from the bus; without one nothing is ever heard."""
        news = cls(bus)
        if bus is None:
            news._begun.set()
            yield news
            return
        async with beside(news._pass_on(bus), name="hear of ends"):
            yield news

    @property
    def is_live(self) -> bool:
        """Whether ends can be heard of at all."""
        return self._bus is not None

    @property
    def awaited(self) -> int:
        """How many tasks somebody waits for."""
        return len(self._ears)

    async def begin(self) -> None:
        """Return once what is said from now on is heard, or Redis has turned out to be away."""
        self._wanted.set()
        await self._begun.wait()

    @contextmanager
    def about(self, task_ids: Iterable[TaskId]) -> Generator[Ear]:
        """Give an ear that hears of these tasks."""
        ear, wanted = Ear(), set(task_ids)
        for task_id in wanted:
            self._ears.setdefault(task_id, []).append(ear)
        try:
            yield ear
        finally:
            for task_id in wanted:
                self._forget(task_id, ear)

    def _forget(self, task_id: TaskId, ear: Ear) -> None:
        ears = self._ears[task_id]
        ears.remove(ear)
        if not ears:
            del self._ears[task_id]

    async def _pass_on(self, bus: Bus) -> None:
        await self._wanted.wait()
        async with bus.subscribe(EventFrame) as frames:
            self._begun.set()
            async for frame in frames:
                if isinstance(frame, Gap):
                    self._tell_all_of_a_gap()
                else:
                    self._tell(frame)

    def _tell(self, frame: EventFrame) -> None:
        for event in frame.events:
            if event.type in ENDINGS:
                for task_id in event.task_ids:
                    for ear in self._ears.get(task_id, ()):
                        ear.hear(task_id)

    def _tell_all_of_a_gap(self) -> None:
        for ear in {ear for ears in self._ears.values() for ear in ears}:
            ear.miss()
