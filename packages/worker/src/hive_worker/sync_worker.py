"""The simple worker: one task at a time, claimed straight from Postgres.

No queen, no bundles, no Redis in its way: it claims a task under a lease, runs it to its end,
writes the outcome, and claims the next. It keeps every promise of the other worker, and is slower
by what concurrency gains: it is there for debugging, and as the honest baseline to compare with. It
queues what falls due, but does not reap: leases of dead workers are reaped where a queen runs.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import uuid4

from hive_bus.bus import Bus
from hive_contracts.clocks import BootClock
from hive_contracts.execution import Tools
from hive_contracts.ids import QueenId, WorkerId
from hive_contracts.outcomes import Released
from hive_contracts.sealing import Sealer
from hive_store import HOT_SETTINGS, Doorbell, QueenStore, WorkerStore, open_line
from hive_store.claiming import Watermarks
from hive_store.granting import grant_all
from hive_store.worker_store import LeasedTask
from hive_telemetry.logs import logger
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics
from hive_worker.executors import Executors
from hive_worker.settings import WorkerSettings
from hive_worker.workbench import Surroundings, Workbench

__all__ = ["SyncWorker", "open_sync_worker"]

POLL_SECONDS: Final = 1.0
DUE_AT_ONCE: Final = 1000
STOPPED: Final = Released("its worker was told to stop")


class SyncWorker:
    """Claims a task, runs it, writes its outcome; over and over."""

    def __init__(self, around: Surroundings, claims: QueenStore, doorbell: Doorbell) -> None:
        self._settings = around.settings
        self._metrics = around.metrics
        self._clock = around.clock
        self._store = around.store
        self._claims = claims
        self._doorbell = doorbell
        self._lease = timedelta(seconds=around.settings.lease_seconds)
        self._stops = 0
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        # One slot, which this worker fills by hand.
        self._bench = Workbench(
            around,
            slots=1,
            takes_bundles=False,
            is_draining=self._stopping.is_set,
            leave=self._leave,
        )
        self.proof = self._bench.proof

    def stop(self) -> None:
        """Finish the task that runs and leave; called again, give it back and leave at once."""
        self._stops += 1
        self._stopping.set()
        if self._stops > 1:
            self._bench.runner.call_off(list(self._bench.runner.running), STOPPED)

    async def run(self) -> None:
        """Work until `stop` is called.

        Raises:
            SchemaMismatchError: it has left because this Hive is too old for the database.
        """
        logger(__name__).info("the worker is at work, one task at a time")
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(loop.run(), name=loop.name)
                for loop in (self._bench.heartbeat, self._bench.watch, self._bench.recorder)
            ]
            working = group.create_task(
                keep_ticking(self._tick, name="work", metrics=self._metrics), name="work"
            )
            await self._stopping.wait()
            await self._let_finish()
            for task in [working, *beside]:
                task.cancel()
        await self._bench.sign_off()

    def _leave(self) -> None:
        if not self._stopping.is_set():
            self.stop()

    async def _let_finish(self) -> None:
        """Wait for the task that runs, within the grace, and for what is unwritten."""
        try:
            async with asyncio.timeout(self._settings.grace_seconds):
                await self._idle.wait()
        except TimeoutError:
            self._bench.runner.call_off(list(self._bench.runner.running), STOPPED)
            await self._idle.wait()
        try:
            async with asyncio.timeout(self._settings.lease_seconds):
                await self._bench.recorder.wait_until_written()
        except TimeoutError:
            logger(__name__).warning("left without writing everything")

    async def _tick(self) -> None:
        """Claim and run one task; if no queue has one, wait for the bell."""
        self._idle.clear()
        try:
            await self._doorbell.listen()
            has_worked = await self._work_once()
        finally:
            self._idle.set()
        if self._stopping.is_set():
            await asyncio.Event().wait()
        if not has_worked:
            await self._claims.sweep_due(batch_size=DUE_AT_ONCE)
            await grant_all(self._claims, batch_size=DUE_AT_ONCE)
            await self._doorbell.wait(seconds=POLL_SECONDS)

    async def _work_once(self) -> bool:
        """Claim a task, run it, and write what came of it; return whether there was one."""
        for queue in await self._lines():
            if self._stopping.is_set() or not self.proof.holds:
                return False
            for leased in await self._claim(queue):
                await self._run(leased)
                return True
        return False

    async def _lines(self) -> list[str]:
        """Return what it serves: first the tasks that need its labels, then the others."""
        queues, labels = self._settings.queues, self._settings.labels
        needing = await self._store.lines(queues, labels) if labels else []
        return [*needing, *queues]

    async def _run(self, leased: LeasedTask) -> None:
        self._bench.slots.busy = 1
        try:
            await self._bench.runner.run(leased)
        finally:
            self._bench.slots.busy = 0
        await self._bench.recorder.wait_until_written()

    async def _claim(self, queue: str) -> list[LeasedTask]:
        """Claim and accept one task of a queue; what took too long to accept is left to lapse."""
        bundle = await self._claims.claim_one(queue, lease=self._lease, watermarks=Watermarks())
        if bundle is None:
            return []
        sent_at = self._clock.seconds()
        granted = await self._store.accept([bundle.lease_id], lease=self._lease)
        tasks = await self._store.tasks_of(granted)
        if self._clock.seconds() - sent_at > self._settings.lease_margin_seconds:
            return []
        for leased in tasks:
            self._bench.holdings.take(leased.task.lease_id, {leased.task.id})
        return tasks


@asynccontextmanager
async def open_sync_worker(
    *,
    database_url: str,
    redis_url: str,
    redis_prefix: str,
    tools: Tools,
    settings: WorkerSettings,
    metrics: Metrics,
    version: str,
    sealer: Sealer | None = None,
) -> AsyncGenerator[SyncWorker]:
    """Give a sync worker with connections of its own, and close them afterwards."""
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        writes = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        doorbell = await stack.enter_async_context(Doorbell.open(database_url))
        bus = await stack.enter_async_context(Bus.open(redis_url, prefix=redis_prefix))
        metrics.read_bus(bus)
        executors = await stack.enter_async_context(Executors.open(tools))
        if notice := await line.first_look():
            logger(__name__).warning(notice)
        around = Surroundings(
            store=WorkerStore(WorkerId(uuid4()), accepts=line, finishes=writes),
            executors=executors,
            bus=bus,
            database_url=database_url,
            settings=settings,
            metrics=metrics,
            version=version,
            clock=BootClock(),
            sealer=sealer,
        )
        yield SyncWorker(around, QueenStore(QueenId(uuid4()), claims=line, upkeep=line), doorbell)
