"""What people have set that a queen must know to claim: which queues limits hold for.

It is read when the bell says that it has changed, and each poll. To know it late costs time and
nothing else: what may be claimed is decided by the statements that claim.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Never

from hive_contracts.limits import LimitScope
from hive_queen.settings import QueenSettings
from hive_store.queen_store import QueenStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Controls"]

FREED_AT_ONCE: Final = 10_000


class Controls:
    """Knows the limits, and lets go what waits for one that is there no more."""

    name = "controls"

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
        self._targets: frozenset[tuple[str, str]] = frozenset()
        self._rung = asyncio.Event()

    def wake(self) -> None:
        """Look soon: somebody has changed something."""
        self._rung.set()

    def limits(self, queue: str) -> bool:
        """Return whether a limit may hold for tasks of `queue`."""
        return bool(self._targets) and any(
            scope != LimitScope.QUEUE or target == queue for scope, target in self._targets
        )

    async def run(self) -> Never:
        """Look for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> None:
        """Look once, then wait for the bell, one poll at most."""
        self._rung.clear()
        targets = await self._store.limited.targets()
        is_changed = targets != self._targets
        self._targets = targets
        while await self._store.limited.free(batch_size=FREED_AT_ONCE):
            is_changed = True
        if is_changed:
            self._wake_claimers()
        try:
            async with asyncio.timeout(self._settings.poll_seconds):
                await self._rung.wait()
        except TimeoutError:
            return
