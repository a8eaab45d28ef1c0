"""Bundles on their way out: sent at once, taken back if they cannot be, sent again after a flush.

Redis away means that nothing new starts. The first send that fails takes its leases back and closes
the outbox; claimers wait until the reconcile has found Redis again. A Redis that is there but has
forgotten everything (a flush, a restart) is known by a missing epoch key: then every lease that
nobody has accepted is sent once more. Accept is fenced, so a bundle that arrives twice runs once.
"""

import asyncio
from collections.abc import Sequence

from hive_contracts.bundles import Bundle
from hive_contracts.errors import BusUnavailableError
from hive_dispatch.sender import BundleSender
from hive_queen.permits import Permits
from hive_queen.settings import QueenSettings
from hive_store.queen_findings import OwnLease
from hive_store.queen_store import QueenStore

__all__ = ["Outbox"]


class Outbox:
    """Sends bundles to workers."""

    def __init__(
        self,
        sender: BundleSender,
        store: QueenStore,
        permits: Permits,
        *,
        settings: QueenSettings,
    ) -> None:
        self._sender = sender
        self._store = store
        self._permits = permits
        self._settings = settings
        self._is_open = asyncio.Event()

    async def wait_until_open(self) -> None:
        """Return once Redis is there."""
        await self._is_open.wait()

    async def send(self, bundles: Sequence[Bundle]) -> None:
        """Send bundles; if Redis is away, take their leases back, uncounted.

        Raises:
            BusUnavailableError: Redis is away; the tasks are queued again.
        """
        try:
            await self._sender.send(bundles, ttl_seconds=self._settings.lease_seconds)
        except BusUnavailableError:
            self._is_open.clear()
            await self._take_back(bundles)
            raise

    async def look_after(self, leases: Sequence[OwnLease]) -> None:
        """Open if Redis is there; send again what it has forgotten, or what was never sent.

        Raises:
            BusUnavailableError: Redis is away; the outbox stays closed.
        """
        try:
            is_forgotten = await self._sender.check_epoch() or not self._is_open.is_set()
            again = [
                Bundle(lease_id=lease.id, queue=lease.queue, size=lease.size)
                for lease in leases
                if lease.is_unaccepted and (is_forgotten or not self._permits.holds(lease.id))
            ]
            await self._sender.send(again, ttl_seconds=self._settings.lease_seconds)
        except BusUnavailableError:
            # Also if only the send failed: the epoch is known by now and would not ask for another.
            self._is_open.clear()
            raise
        self._is_open.set()

    async def _take_back(self, bundles: Sequence[Bundle]) -> None:
        """Take back what nobody has accepted; a bundle may have arrived though its send failed.

        The permits stay until the next recount, which is also what opens the outbox again.
        """
        lease_ids = [bundle.lease_id for bundle in bundles]
        await self._store.release(lease_ids, reason="Redis was away: it could not be sent")
