"""Believe the rows: recount the queen's own leases, and see that Redis knows of them.

This bounds what a lost hint can cost: one poll.
"""

import asyncio
from typing import Never

from hive_contracts.clocks import Clock
from hive_queen.outbox import Outbox
from hive_queen.permits import Permits
from hive_queen.settings import QueenSettings
from hive_store.queen_store import QueenStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Reconciler"]


class Reconciler:
    """Recounts each poll, and when a hint was missed."""

    name = "reconcile"

    def __init__(
        self,
        store: QueenStore,
        permits: Permits,
        outbox: Outbox,
        *,
        settings: QueenSettings,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._permits = permits
        self._outbox = outbox
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self.missed = asyncio.Event()
        """Set it to have the next recount now."""

    async def run(self) -> Never:
        """Recount for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> None:
        """Recount once, then wait for the next poll or for a missed hint."""
        self.missed.clear()
        read_at = self._clock.seconds()
        leases = await self._store.own_leases(living=self._settings.living)
        # Before the ledger learns of them: what it does not hold was granted but never sent.
        await self._outbox.look_after(leases)
        self._permits.reconcile(
            ((lease.id, lease.queue, lease.open) for lease in leases if not lease.is_silent),
            read_at=read_at,
        )
        try:
            async with asyncio.timeout(self._settings.poll_seconds):
                await self.missed.wait()
        except TimeoutError:
            pass
