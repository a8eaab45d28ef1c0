"""Give turns to tasks that wait for them, as soon as the turn before has ended."""

import asyncio
from collections.abc import Callable
from typing import Never

from hive_queen.settings import QueenSettings
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
        *,
        wake: Callable[[], None],
        settings: QueenSettings,
        metrics: Metrics,
    ) -> None:
        self._store = store
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
        is_more = True
        while is_more:
            grants = await self._store.grant_turns(batch_size=self._settings.retry_batch)
            if grants.granted:
                self._wake_claimers()
            is_more = grants.taken > 0
        try:
            async with asyncio.timeout(self._settings.poll_seconds):
                await self._rung.wait()
        except TimeoutError:
            return
