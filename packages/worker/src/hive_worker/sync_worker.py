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
from hive_contracts.clocks import BootClock, Clock
from hive_contracts.errors import UnavailableError
from hive_contracts.execution import Tools
from hive_contracts.ids import QueenId, WorkerId
from hive_contracts.outcomes import Cancelled, Released
from hive_store import HOT_SETTINGS, Doorbell, QueenStore, WorkerStore, open_line
from hive_store.claiming import Watermarks
from hive_store.worker_store import LeasedTask
from hive_telemetry.logs import logger
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics
from hive_worker.executors import Executors
from hive_worker.heartbeat import Beat, Heartbeat
from hive_worker.holdings import Holdings
from hive_worker.proof import Proof
from hive_worker.recorder import Recorder
from hive_worker.runner import Runner
from hive_worker.settings import WorkerSettings
from hive_worker.slots import Slots
from hive_worker.watch import Watch

__all__ = ["SyncWorker", "open_sync_worker"]

POLL_SECONDS: Final = 1.0
DUE_AT_ONCE: Final = 1000
STOPPED: Final = Released("its worker was told to stop")


class SyncWorker:
    """Claims a task, runs it, writes its outcome; over and over."""

    def __init__(
        self,
        claims: QueenStore,
        store: WorkerStore,
        executors: Executors,
        bus: Bus,
        doorbell: Doorbell,
        *,
        database_url: str,
        settings: WorkerSettings,
        metrics: Metrics,
        version: str,
        clock: Clock,
    ) -> None:
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._claims = claims
        self._store = store
        self._doorbell = doorbell
        self._settings = settings
        self._metrics = metrics
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._holdings = Holdings()
        self.proof = Proof(
            clock,
            lease_seconds=settings.lease_seconds,
            margin_seconds=settings.lease_margin_seconds,
        )
        self._recorder = Recorder(
            store, self._holdings, bus, max_unwritten=settings.max_unwritten, metrics=metrics
        )
        self._runner = Runner(
            executors, self._recorder, self._holdings, settings=settings, clock=clock
        )
        # One slot, which this worker fills by hand; the watch looks after what runs in it.
        slots = Slots(1, run=self._runner.run, ahead_seconds=0, clock=clock)
        self._watch = Watch(
            self._runner,
            slots,
            self._recorder,
            self.proof,
            settings=settings,
            metrics=metrics,
            clock=clock,
        )
        self._heartbeat = Heartbeat(
            store.worker_id,
            database_url,
            self._holdings,
            self.proof,
            running=lambda: tuple(self._runner.running),
            # It takes no bundles: no queen may count its slot.
            queues=(),
            is_draining=self._stopping.is_set,
            on_beat=self._take_in,
            settings=settings,
            version=version,
            clock=clock,
        )
        self._stops = 0

    def stop(self) -> None:
        """Finish the task that runs and leave; called again, give it back and leave at once."""
        self._stops += 1
        self._stopping.set()
        if self._stops > 1:
            self._runner.call_off(list(self._runner.running), STOPPED)

    async def run(self) -> None:
        """Work until `stop` is called."""
        logger(__name__).info("the worker is at work, one task at a time")
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(loop.run(), name=loop.name)
                for loop in (self._heartbeat, self._watch, self._recorder)
            ]
            working = group.create_task(
                keep_ticking(self._tick, name="work", metrics=self._metrics), name="work"
            )
            await self._stopping.wait()
            await self._let_finish(working)
            for task in beside:
                task.cancel()

    async def _let_finish(self, working: "asyncio.Task[None]") -> None:
        try:
            async with asyncio.timeout(self._settings.grace_seconds):
                await self._idle.wait()
        except TimeoutError:
            self._runner.call_off(list(self._runner.running), STOPPED)
            await self._idle.wait()
        working.cancel()
        try:
            async with asyncio.timeout(self._settings.lease_seconds):
                await self._recorder.wait_until_written()
                await self._store.leave()
        except (TimeoutError, UnavailableError) as error:
            logger(__name__).warning("left without writing everything", error=str(error))

    async def _tick(self) -> None:
        """Claim and run one task; if no queue has one, wait for the bell."""
        self._idle.set()
        if self._stopping.is_set():
            await asyncio.Event().wait()
        await self.proof.wait()
        await self._doorbell.listen()
        self._idle.clear()
        for queue in self._settings.queues:
            for leased in await self._claim(queue):
                await self._runner.run(leased)
                await self._recorder.wait_until_written()
                return
        self._idle.set()
        await self._claims.sweep_due(batch_size=DUE_AT_ONCE)
        await self._doorbell.wait(seconds=POLL_SECONDS)

    async def _claim(self, queue: str) -> list[LeasedTask]:
        """Claim and accept one task of a queue."""
        bundles = await self._claims.claim(
            queue,
            limit=1,
            lease=self._lease,
            bundle_size=1,
            worker_count=1,
            watermarks=Watermarks(),
        )
        granted = await self._store.accept([b.lease_id for b in bundles], lease=self._lease)
        tasks = await self._store.read([accepted.lease_id for accepted in granted])
        for leased in tasks:
            self._holdings.take(leased.task.lease_id, {leased.task.id})
        return tasks

    def _take_in(self, beat: Beat) -> None:
        self.proof.heard()
        for lease_id in beat.dropped:
            self._holdings.drop(lease_id)
            self._runner.call_off_lease(lease_id, Released("its lease is gone"))
        self._runner.call_off(beat.cancelled, Cancelled())


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
) -> AsyncGenerator[SyncWorker]:
    """Give a sync worker with connections of its own, and close them afterwards."""
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        writes = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        doorbell = await stack.enter_async_context(Doorbell.open(database_url))
        bus = await stack.enter_async_context(Bus.open(redis_url, prefix=redis_prefix))
        executors = await stack.enter_async_context(Executors.open(tools))
        yield SyncWorker(
            QueenStore(QueenId(uuid4()), claims=line, upkeep=line),
            WorkerStore(WorkerId(uuid4()), accepts=line, finishes=writes),
            executors,
            bus,
            doorbell,
            database_url=database_url,
            settings=settings,
            metrics=metrics,
            version=version,
            clock=BootClock(),
        )
