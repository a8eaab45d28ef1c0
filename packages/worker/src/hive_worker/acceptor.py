"""Take leases into hand: the accepts of several bundles share one statement."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Never

from hive_contracts.bundles import Bundle
from hive_contracts.clocks import Clock
from hive_contracts.errors import UnavailableError
from hive_contracts.ids import LeaseId, TaskId
from hive_store.worker_store import LeasedTask, WorkerStore
from hive_telemetry.metrics import Metrics
from hive_worker.holdings import Holdings

__all__ = ["Acceptor"]


class Acceptor:
    """Accepts what the receivers bring."""

    name = "accept"

    def __init__(
        self,
        store: WorkerStore,
        holdings: Holdings,
        *,
        put: Callable[[list[LeasedTask]], None],
        lease: timedelta,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._holdings = holdings
        self._put = put
        self._lease = lease
        self._metrics = metrics
        self._clock = clock
        self._waiting: dict[LeaseId, asyncio.Future[None]] = {}
        self._arrived = asyncio.Event()

    async def accept(self, bundle: Bundle) -> None:
        """Accept a bundle's lease and let its tasks wait for slots; a stale bundle does nothing.

        Raises:
            UnavailableError: Postgres is away; the lease will lapse.
        """
        known = self._waiting.get(bundle.lease_id)
        answer = known or asyncio.get_running_loop().create_future()
        self._waiting[bundle.lease_id] = answer
        self._arrived.set()
        await asyncio.shield(answer)

    async def run(self) -> Never:
        """Accept until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self.tick()

    async def tick(self) -> None:
        """Accept everything that waits, in one statement."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await self._accept(list(waiting))
        except UnavailableError as error:
            for answer in waiting.values():
                answer.set_exception(error)
                # Somebody waits for each; but who was cancelled has stopped to look.
                answer.exception()
            return
        for answer in waiting.values():
            answer.set_result(None)

    async def _accept(self, lease_ids: list[LeaseId]) -> None:
        # What is in hand is not taken twice: a bundle that comes again would run its tasks again.
        fresh = [lease_id for lease_id in lease_ids if not self._holdings.holds(lease_id)]
        granted = await self._store.accept(fresh, lease=self._lease) if fresh else []
        if not granted:
            return
        tasks = await self._store.read([accepted.lease_id for accepted in granted])
        held: dict[LeaseId, set[TaskId]] = {}
        waits: dict[str, list[float]] = {}
        for leased in tasks:
            held.setdefault(leased.task.lease_id, set()).add(leased.task.id)
            waits.setdefault(leased.task.queue, []).append(max(0, leased.task.enqueued_seconds))
        for lease_id, task_ids in held.items():
            self._holdings.take(lease_id, task_ids)
        for queue, seconds in waits.items():
            self._metrics.tasks_waited(queue, seconds)
        self._put(tasks)
