"""The worker: receives bundles, accepts their leases, runs their tasks, records what came of it.

receivers, lines ──▶ acceptor ──▶ workbench (slots, runner, recorder, heartbeat)
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import uuid4

from hive_bus.bus import Bus
from hive_contracts.clocks import BootClock
from hive_contracts.events import CancelRequest
from hive_contracts.execution import Tools
from hive_contracts.ids import WorkerId
from hive_contracts.labels import place_of
from hive_contracts.loops import Loop
from hive_contracts.sealing import Sealer
from hive_dispatch.receiver import BundleReceiver, LeftBundles
from hive_store import HOT_SETTINGS, WorkerStore, open_line
from hive_telemetry.logs import logger
from hive_telemetry.loops import run_loops
from hive_telemetry.metrics import Metrics
from hive_worker.acceptor import Acceptor
from hive_worker.drain import Drain
from hive_worker.executors import Executors
from hive_worker.heartbeat import Heartbeat
from hive_worker.lines import Accept, Lines
from hive_worker.runner import Runner
from hive_worker.settings import WorkerSettings
from hive_worker.workbench import Surroundings, Workbench

__all__ = ["Worker", "open_worker"]

BUNDLES_AT_ONCE: Final = 16
WORN_OUT: Final = 75
"""Exit code of a worker that left because too much ran on in it that it had abandoned."""


class Worker:
    """Runs tasks until it is drained."""

    def __init__(
        self,
        around: Surroundings,
        *,
        redis_url: str,
        redis_prefix: str,
        end_process: Callable[[int], object] = os._exit,
    ) -> None:
        settings = around.settings
        self._end_process = end_process
        self._worker_id = around.store.worker_id
        self._bench = Workbench(
            around,
            slots=settings.slots,
            takes_bundles=True,
            is_draining=lambda: self.drain.has_begun,
            leave=self._leave,
        )
        self.proof = self._bench.proof
        acceptor = Acceptor(
            around.store,
            self._bench.holdings,
            put=self._bench.slots.put,
            lease=timedelta(seconds=settings.lease_seconds),
            margin_seconds=settings.lease_margin_seconds,
            metrics=around.metrics,
            clock=around.clock,
        )
        left: dict[str, LeftBundles] = {queue: LeftBundles() for queue in settings.queues}
        for queue, counts in left.items():
            around.metrics.read_bundles(queue, counts)

        def receiver_of(line: str, accept: Accept) -> BundleReceiver:
            return BundleReceiver(
                redis_url,
                redis_prefix,
                line,
                accept=accept,
                wait_for_room=self._wait_for_room,
                max_bundles=BUNDLES_AT_ONCE,
                left=left[place_of(line)[0]],
            )

        receivers: list[BundleReceiver | Lines] = [
            receiver_of(queue, acceptor.accept) for queue in settings.queues
        ]
        if settings.labels:
            lines = Lines(
                around.store,
                queues=settings.queues,
                labels=settings.labels,
                accept=acceptor.accept,
                receiver_of=receiver_of,
                metrics=around.metrics,
                clock=around.clock,
            )
            receivers.append(lines)
        self.drain = Drain(
            receivers,
            acceptor,
            self._bench.slots,
            self._bench.runner,
            self._bench.recorder,
            settings=settings,
        )
        self._loops: Sequence[Loop] = [
            self._bench.heartbeat,
            *receivers,
            acceptor,
            self._bench.slots,
            self._bench.recorder,
            self._bench.watch,
            _CancelHints(around.bus, self._bench.runner, self._bench.heartbeat),
        ]

    def stop(self) -> None:
        """Begin to leave in good order; called again, leave at once."""
        self.drain.ask()

    async def run(self) -> None:
        """Work until `stop` was called and the worker has left in good order.

        Raises:
            ExceptionGroup: a loop fell with something that nobody understood; the process must end.
            SchemaMismatchError: it has left because this Hive is too old for the database.
        """
        logger(__name__).info("the worker is at work", worker=str(self._worker_id))
        async with asyncio.TaskGroup() as group:
            working = group.create_task(run_loops(self._loops), name="work")
            await self.drain.wait_until_asked()
            await self.drain.run()
            if self._bench.is_worn_out or self._bench.slots.abandoned:
                await self._end_hard()
            working.cancel()
        await self._bench.sign_off()

    async def _end_hard(self) -> None:
        """End the process: what was abandoned would hold up every other way out.

        Everything else has ended and is written, and the guardian ends what processes there are.
        """
        await self._bench.sign_off()
        self._end_process(WORN_OUT if self._bench.is_worn_out else 0)

    def _leave(self) -> None:
        if not self.drain.has_begun:
            self.drain.ask()

    async def _wait_for_room(self) -> int:
        """Return how many tasks could begin, once one can and leases can be proved."""
        await self.proof.wait()
        await self._bench.slots.wait_for_room()
        return self._bench.slots.room


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
    sealer: Sealer | None = None,
) -> AsyncGenerator[Worker]:
    """Give a worker with connections of its own (three to Postgres), and close them afterwards."""
    worker_id = WorkerId(uuid4())
    async with AsyncExitStack() as stack:
        accepts = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        finishes = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        bus = await stack.enter_async_context(Bus.open(redis_url, prefix=redis_prefix))
        metrics.read_bus(bus)
        executors = await stack.enter_async_context(Executors.open(tools))
        if notice := await accepts.first_look():
            logger(__name__).warning(notice)
        around = Surroundings(
            store=WorkerStore(worker_id, accepts=accepts, finishes=finishes),
            executors=executors,
            bus=bus,
            database_url=database_url,
            settings=settings,
            metrics=metrics,
            version=version,
            clock=BootClock(),
            sealer=sealer,
        )
        yield Worker(around, redis_url=redis_url, redis_prefix=redis_prefix)
