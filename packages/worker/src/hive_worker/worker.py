"""The worker: receives bundles, accepts their leases, runs their tasks, records what came of it.

    receivers ──▶ acceptor ──▶ slots ──▶ runner ──▶ executor
                                            └──▶ recorder ──▶ Postgres, then the bus

A heartbeat, in a thread, renews what is held; what it cannot renew is stopped before it lapses.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from hive_bus.bus import Bus
from hive_contracts.clocks import BootClock, Clock
from hive_contracts.errors import UnavailableError
from hive_contracts.events import CancelRequest
from hive_contracts.execution import Tools
from hive_contracts.ids import WorkerId
from hive_contracts.loops import Loop
from hive_contracts.outcomes import Cancelled
from hive_dispatch.receiver import BundleReceiver
from hive_store import HOT_SETTINGS, WorkerStore, open_line
from hive_telemetry.logs import logger
from hive_telemetry.loops import run_loops
from hive_telemetry.metrics import Metrics
from hive_worker.acceptor import Acceptor
from hive_worker.drain import Drain
from hive_worker.executors import Executors
from hive_worker.heartbeat import Beat, Heartbeat
from hive_worker.holdings import Holdings
from hive_worker.proof import Proof
from hive_worker.recorder import Recorder
from hive_worker.runner import GONE, Runner
from hive_worker.settings import WorkerSettings
from hive_worker.slots import Slots
from hive_worker.watch import Watch

__all__ = ["Worker", "open_worker"]

AHEAD_SECONDS: Final = 0.05
BUNDLES_AT_ONCE: Final = 16
SIGN_OFF_SECONDS: Final = 2.0


class Worker:
    """Runs tasks until it is drained."""

    def __init__(
        self,
        store: WorkerStore,
        executors: Executors,
        bus: Bus,
        *,
        database_url: str,
        redis_url: str,
        redis_prefix: str,
        settings: WorkerSettings,
        metrics: Metrics,
        version: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._bus = bus
        self._metrics = metrics
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
        self._recorder.on_stale = lambda attempt: attempt.call_off(GONE)
        self._slots = Slots(
            settings.slots, run=self._runner.run, ahead_seconds=AHEAD_SECONDS, clock=clock
        )
        acceptor = Acceptor(
            store,
            self._holdings,
            put=self._slots.put,
            lease=timedelta(seconds=settings.lease_seconds),
            margin_seconds=settings.lease_margin_seconds,
            metrics=metrics,
            clock=clock,
        )
        receivers = [
            BundleReceiver(
                redis_url,
                redis_prefix,
                queue,
                accept=acceptor.accept,
                wait_for_room=self._wait_for_room,
                max_bundles=BUNDLES_AT_ONCE,
            )
            for queue in settings.queues
        ]
        self.drain = Drain(
            receivers, acceptor, self._slots, self._runner, self._recorder, settings=settings
        )
        self._heartbeat = Heartbeat(
            store.worker_id,
            database_url,
            self._holdings,
            self.proof,
            running=lambda: tuple(self._runner.running),
            queues=settings.queues,
            is_draining=lambda: self.drain.has_begun,
            on_beat=self._take_in,
            settings=settings,
            version=version,
            clock=clock,
        )
        watch = Watch(
            self._runner,
            self._slots,
            self._recorder,
            self.proof,
            settings=settings,
            metrics=metrics,
            clock=clock,
        )
        self._loops: Sequence[Loop] = [
            self._heartbeat,
            *receivers,
            acceptor,
            self._slots,
            self._recorder,
            watch,
            _CancelHints(bus, self._runner, self._heartbeat),
        ]

    async def run(self) -> None:
        """Work until `drain.ask` was called and the worker has left in good order.

        Raises:
            ExceptionGroup: a loop fell with something that nobody understood; the process must end.
        """
        logger(__name__).info("the worker is at work", worker=str(self._store.worker_id))
        async with asyncio.TaskGroup() as group:
            working = group.create_task(run_loops(self._loops), name="work")
            await self.drain.wait_until_asked()
            await self.drain.run()
            working.cancel()
        await self._sign_off()

    async def _sign_off(self) -> None:
        """Say that the worker has left; the heartbeat must be over, or it would be seen again."""
        try:
            async with asyncio.timeout(SIGN_OFF_SECONDS):
                await self._store.leave()
        except (TimeoutError, UnavailableError) as error:
            logger(__name__).warning("could not sign off; it will be noticed", error=str(error))

    async def _wait_for_room(self) -> int:
        """Return how many tasks could begin, once one can and leases can be proved."""
        await self.proof.wait()
        await self._slots.wait_for_room()
        return self._slots.room

    def _take_in(self, beat: Beat) -> None:
        """Learn from a heartbeat: what is still ours, and what was called off."""
        self.proof.heard()
        self._metrics.show_heartbeat(datetime.now(UTC).timestamp())
        for lease_id in beat.dropped:
            self._holdings.drop(lease_id)
            self._runner.call_off_lease(lease_id, GONE)
        self._runner.call_off(beat.cancelled, Cancelled())


class _CancelHints:
    """Hears that running tasks were called off, and has the heartbeat look."""

    name = "cancel hints"

    def __init__(self, bus: Bus, runner: Runner, heartbeat: Heartbeat) -> None:
        self._bus = bus
        self._runner = runner
        self._heartbeat = heartbeat

    async def run(self) -> None:
        async with self._bus.subscribe(CancelRequest) as frames:
            async for frame in frames:
                if not isinstance(frame, CancelRequest) or any(
                    task_id in self._runner.running for task_id in frame.task_ids
                ):
                    self._heartbeat.beat_now()


@asynccontextmanager
async def open_worker(
    *,
    database_url: str,
    redis_url: str,
    redis_prefix: str,
    tools: Tools,
    settings: WorkerSettings,
    metrics: Metrics,
    version: str,
) -> AsyncGenerator[Worker]:
    """Give a worker with connections of its own (three to Postgres), and close them afterwards."""
    worker_id = WorkerId(uuid4())
    async with AsyncExitStack() as stack:
        accepts = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        finishes = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        bus = await stack.enter_async_context(Bus.open(redis_url, prefix=redis_prefix))
        executors = await stack.enter_async_context(Executors.open(tools))
        yield Worker(
            WorkerStore(worker_id, accepts=accepts, finishes=finishes),
            executors,
            bus,
            database_url=database_url,
            redis_url=redis_url,
            redis_prefix=redis_prefix,
            settings=settings,
            metrics=metrics,
            version=version,
            clock=BootClock(),
        )
