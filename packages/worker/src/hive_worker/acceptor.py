"""Take leases into hand: the accepts of several bundles share one statement."""

import asyncio
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final, Never, Protocol

from hive_contracts.bundles import Bundle
from hive_contracts.clocks import Clock
from hive_contracts.errors import UnavailableError
from hive_contracts.ids import LeaseId
from hive_store.worker_store import LeasedTask, WorkerStore
from hive_telemetry.logs import logger
from hive_telemetry.metrics import Metrics
from hive_worker.holdings import Holdings

__all__ = ["Acceptor", "Put"]

_LEASE_OF: Final = attrgetter("lease_id")


class Put(Protocol):
    """Where tasks wait for slots."""

    def __call__(self, tasks: list[LeasedTask], /, *, slots: int = 1) -> None:
        """Let tasks wait that take so many slots each."""
        ...


class Acceptor:
    """Accepts what the receivers bring."""

    name = "accept"

    def __init__(
        self,
        store: WorkerStore,
        holdings: Holdings,
        *,
        put: "Put",
        lease: timedelta,
        margin_seconds: float,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._holdings = holdings
        self._put = put
        self._lease = lease
        self._margin_seconds = margin_seconds
        self._metrics = metrics
        self._clock = clock
        self._waiting: dict[LeaseId, asyncio.Future[None]] = {}
        self._wide: dict[LeaseId, int] = {}
        self._is_asking = False
        self._arrived = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """Whether tasks may come out of a bundle that is being accepted."""
        return self._is_asking or bool(self._waiting)

    async def accept(self, bundle: Bundle, *, slots: int = 1) -> None:
        """Accept a bundle's lease and let its tasks wait for slots; a stale bundle does nothing.

        Args:
            bundle: as it was received.
            slots: how many each of its tasks takes, by the line in which it was received.

        Raises:
            UnavailableError: Postgres is away; the lease will lapse.
        """
        known = self._waiting.get(bundle.lease_id)
        answer = known or asyncio.get_running_loop().create_future()
        self._waiting[bundle.lease_id] = answer
        if slots > 1:
            self._wide[bundle.lease_id] = slots
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
        self._is_asking = True
        try:
            await self._accept(list(waiting))
        except UnavailableError as error:
            for answer in waiting.values():
                answer.set_exception(error)
                # Somebody waits for each; but who was cancelled has stopped to look.
                answer.exception()
            return
        finally:
            self._is_asking = False
            for lease_id in (self._wide.keys() & waiting.keys()) - self._waiting.keys():
                del self._wide[lease_id]
        for answer in waiting.values():
            answer.set_result(None)

    async def _accept(self, lease_ids: list[LeaseId]) -> None:
        # What is in hand is not taken twice: a bundle that comes again would run its tasks again.
        fresh = [lease_id for lease_id in lease_ids if not self._holdings.holds(lease_id)]
        sent_at = self._clock.seconds()
        granted = await self._store.accept(fresh, lease=self._lease) if fresh else []
        if not granted:
            return
        tasks = await self._store.tasks_of(granted)
        if self._clock.seconds() - sent_at > self._margin_seconds:
            # A heartbeat sent since has proved other leases for longer than these will last.
            logger(__name__).warning("bundles were accepted too slowly", leases=len(granted))
            return
        for lease_id, members in groupby((leased.task for leased in tasks), key=_LEASE_OF):
            of_lease = list(members)
            self._holdings.take(lease_id, {task.id for task in of_lease})
            waits = [max(0.0, task.enqueued_seconds) for task in of_lease]
            self._metrics.tasks_waited(of_lease[0].queue, waits)
        if self._wide:
            tasks = self._put_wide(tasks)
        self._put(tasks)

    def _put_wide(self, tasks: list[LeasedTask]) -> list[LeasedTask]:
        """Let those wait that take several slots; return the others."""
        for leased in tasks:
            if slots := self._wide.get(leased.task.lease_id):
                self._put([leased], slots=slots)
        return [leased for leased in tasks if leased.task.lease_id not in self._wide]
