"""Let tasks go on that wait for others: as soon as these have ended, or the turn before theirs has.

Three steps, each a statement that sees what the one before has committed: edges to tasks that
have ended are closed, tasks whose last edge that was are released, and keys give their turns. A
task that is cancelled for one that it comes after is itself an end, so the steps go round until
none finds anything.
"""

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
        while await self._step():
            pass
        try:
            async with asyncio.timeout(self._settings.poll_seconds):
                await self._rung.wait()
        except TimeoutError:
            return

    async def _step(self) -> bool:
        """Do one batch of each; return whether there was anything to do."""
        batch_size = self._settings.retry_batch
        closed = await self._store.close_dependencies(batch_size=batch_size)
        gates = await self._store.release_gates(batch_size=batch_size)
        grants = await self._store.grant_turns(batch_size=batch_size)
        if gates.queued or grants.granted:
            self._wake_claimers()
        return closed + gates.taken + grants.taken > 0
