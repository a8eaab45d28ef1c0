"""Let tasks go on that wait for others, as soon as they may; `hive_store.granting` says how."""

import asyncio
from collections.abc import Callable
from typing import Never

from hive_bus.bus import Bus
from hive_contracts.events import Event, EventFrame, EventType
from hive_queen.settings import QueenSettings
from hive_store.granting import grant_some
from hive_store.queen_store import QueenStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Granter"]


class Granter:
    """Grants what is due whenever the bell rings. Any number of queens may: none grants twice."""

    name = "grant"

    def __init__(
        self,
        store: QueenStore,
        bus: Bus,
        *,
        wake: Callable[[], None],
        settings: QueenSettings,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._bus = bus
        self._wake_claimers = wake
        self._settings = settings
        self._metrics = metrics
        self._rung = asyncio.Event()

    def wake(self) -> None:
        """Look soon: something was submitted, or has ended."""
        self._rung.set()

    async def run(self) -> Never:
        """Grant for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> None:
        """Grant all that is due, then wait to be woken, one poll at most."""
        self._rung.clear()
        while await self._step():
            pass
        try:
            async with asyncio.timeout(self._settings.poll_seconds):
                await self._rung.wait()
        except TimeoutError:
            return

    async def _step(self) -> bool:
        """Do one batch of each; return whether there was anything to do."""
        granted = await grant_some(self._store, batch_size=self._settings.retry_batch)
        if granted.cancelled:
            # Nobody who waits for one of them hears it from a worker.
            told = Event(type=EventType.CANCELLED, task_ids=granted.cancelled)
            self._bus.tell(EventFrame((told,)))
        if granted.queued:
            self._wake_claimers()
        return granted.taken > 0
