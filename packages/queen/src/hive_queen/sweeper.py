"""Queue the tasks whose time has come, and cancel those whose time is over, as soon as it is."""

from collections.abc import Callable
from typing import Final, Never

from hive_bus.bus import Bus
from hive_contracts.events import Event, EventFrame, EventType
from hive_queen.settings import QueenSettings
from hive_store.queen_findings import Expired, Swept
from hive_store.queen_store import QueenStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Sweeper"]

SHORTEST_PAUSE_SECONDS: Final = 0.005


class Sweeper:
    """Moves due tasks. Any number of queens may: they skip one another's."""

    name = "sweep"

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
        self._wake = wake
        self._settings = settings
        self._metrics = metrics

    async def run(self) -> Never:
        """Sweep for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> float:
        """Sweep once; return how long to wait: until the next is due, one poll at most."""
        swept = await self._store.sweep_due(batch_size=self._settings.retry_batch)
        if swept.count:
            self._wake()
        expired = await self._store.expire(batch_size=self._settings.retry_batch)
        if expired.count:
            # Nobody who waits for one of them hears it from a worker.
            told = Event(type=EventType.CANCELLED, task_ids=expired.ids)
            self._bus.tell(EventFrame((told,)))
        return min(self._pause(swept), self._pause(expired))

    def _pause(self, swept: Swept | Expired) -> float:
        if swept.count == self._settings.retry_batch:
            return 0
        if swept.next_seconds is None:
            return self._settings.poll_seconds
        return min(max(swept.next_seconds, SHORTEST_PAUSE_SECONDS), self._settings.poll_seconds)
