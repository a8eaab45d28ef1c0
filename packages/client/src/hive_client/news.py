"""Hear which tasks have ended, over the bus, on behalf of everybody who waits.

However many wait, there is one subscription, made when the first of them comes. What is heard is a
hint: the lookout looks into the store, where it finds what was never heard by looking now and then.
"""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final

from hive_bus.bus import Bus
from hive_bus.gap import Gap
from hive_contracts.events import EventFrame, EventType
from hive_contracts.ids import TaskId

__all__ = ["News"]

ENDINGS: Final = frozenset({EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELLED})


class News:
    """Passes on what is heard, for as long as `listen` runs."""

    def __init__(
        self,
        bus: Bus | None,
        *,
        hear: Callable[[Sequence[TaskId]], None],
        miss: Callable[[], None],
    ) -> None:
        """Make it.

        Args:
            bus: where to listen; without one nothing is ever heard.
            hear: called with tasks that are said to have ended.
            miss: called when something may have been said that was not heard.
        """
        self._bus = bus
        self._hear = hear
        self._miss = miss
        self._stirred: set[asyncio.Event] = set()
        self._wanted = asyncio.Event()
        self._begun = asyncio.Event()
        if bus is None:
            self._begun.set()

    @property
    def is_live(self) -> bool:
        """Whether ends can be heard of at all."""
        return self._bus is not None

    async def begin(self) -> None:
        """Return once what is said from now on is heard, or Redis has turned out to be away."""
        self._wanted.set()
        await self._begun.wait()

    @contextmanager
    def stirring(self) -> Generator[asyncio.Event]:
        """Give an event that is set whenever anything is heard, or may have been said."""
        stirred = asyncio.Event()
        self._stirred.add(stirred)
        try:
            yield stirred
        finally:
            self._stirred.remove(stirred)

    async def listen(self) -> None:
        """Pass on what is heard, from the first `begin` on, until cancelled."""
        await self._wanted.wait()
        if self._bus is None:
            return
        async with self._bus.subscribe(EventFrame) as frames:
            self._begun.set()
            async for frame in frames:
                for stirred in self._stirred:
                    stirred.set()
                if isinstance(frame, Gap):
                    self._miss()
                    continue
                for event in frame.events:
                    if event.type in ENDINGS:
                        self._hear(event.task_ids)
