"""A worker in the process of the test: claim, accept, run, write, one task at a time.

It is made of the parts of a real worker, and differs from one in this: there is no heartbeat,
because a test that stands at a breakpoint cannot lose its lease to anybody; and `call` functions
run inline unless modules are allowed, which has them run as they do on workers.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Final
from uuid import uuid4

from hive_bus.beside import beside
from hive_bus.bus import Bus
from hive_calls.inline import InlineCallExecutor
from hive_calls.payload import KIND as CALL
from hive_calls.settings import CallSettings
from hive_contracts.clocks import BootClock
from hive_contracts.execution import Executor, Tools
from hive_contracts.ids import QueenId, TaskId, WorkerId
from hive_contracts.spawning import Launch, Process
from hive_contracts.states import TaskState
from hive_generation.models import Models
from hive_generation.settings import InferenceSettings
from hive_process.spawner import GuardedSpawner
from hive_store import Line, QueenStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.granting import grant_all
from hive_store.worker_store import LeasedTask
from hive_telemetry.metrics import Metrics
from hive_verse.clouds import Clouds
from hive_verse.settings import VerseSettings
from hive_worker.executors import Executors
from hive_worker.settings import WorkerSettings
from hive_worker.workbench import Surroundings, Workbench

__all__ = ["LEASE", "InlineWorker"]

LEASE: Final = timedelta(days=1)
"""Nothing renews it, and a person may take their time at a breakpoint."""

DUE_AT_ONCE: Final = 1000


class LazySpawner:
    """Starts its guardian when the first process is asked for: most tests need none."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._guarded: GuardedSpawner | None = None

    async def spawn(self, launch: Launch) -> Process:
        """Start `launch`; raises as `GuardedSpawner.spawn` does."""
        if self._guarded is None:
            self._guarded = await self._stack.enter_async_context(GuardedSpawner.open())
        return await self._guarded.spawn(launch)


class InlineWorker:
    """Runs tasks when it is told to. Get one from `open`."""

    def __init__(self, bench: Workbench, claims: QueenStore, store: WorkerStore) -> None:
        self._bench = bench
        self._claims = claims
        self._store = store

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        line: Line,
        bus: Bus,
        *,
        allow: Sequence[str],
        on_error: Callable[[TaskId, BaseException], None],
    ) -> "AsyncGenerator[InlineWorker]":
        """Give a worker, and end afterwards every process that it has started.

        Args:
            line: what it speaks to the store over.
            bus: where it tells what has ended.
            allow: modules whose functions run as on workers, `def` ones in children; if there are
                none, all functions run inline.
            on_error: told what a function that runs inline has raised.
        """
        stand_ins: dict[str, Executor] = {} if allow else {CALL: InlineCallExecutor(on_error)}
        settings = (CallSettings(modules=tuple(allow)),) if allow else ()
        async with AsyncExitStack() as stack:
            metrics = Metrics()
            models = await stack.enter_async_context(Models.open(InferenceSettings(), metrics))
            clouds = await stack.enter_async_context(Clouds.open(VerseSettings(), models))
            shared = (models, clouds)
            tools = Tools(spawner=LazySpawner(stack), settings=settings, shared=shared)
            executors = await stack.enter_async_context(Executors.open(tools, stand_ins=stand_ins))
            store = WorkerStore(WorkerId(uuid4()), accepts=line, finishes=line)
            bench = _bench(store, executors, bus, metrics)
            await stack.enter_async_context(beside(bench.recorder.run(), name="record"))
            await stack.enter_async_context(beside(bench.watch.run(), name="watch"))
            yield cls(bench, QueenStore(QueenId(uuid4()), claims=line, upkeep=line), store)

    async def run_next(self, queue: str | None) -> TaskId | None:
        """Run the next task that is due to the end of its attempt; return its id, or None.

        Args:
            queue: of this queue alone; None for any, in the order of their names.
        """
        await self._claims.sweep_due(batch_size=DUE_AT_ONCE)
        await grant_all(self._claims, batch_size=DUE_AT_ONCE)
        for name in await self._lines(queue):
            bundle = await self._claims.claim_one(name, lease=LEASE, watermarks=Watermarks())
            if bundle is not None:
                granted = await self._store.accept([bundle.lease_id], lease=LEASE)
                [leased] = await self._store.tasks_of(granted)
                await self._run(leased)
                return leased.task.id
        return None

    async def _lines(self, queue: str | None) -> list[str]:
        """Return where tasks may be queued. This worker is taken to have whatever they need."""
        needing = await self._store.lines(None if queue is None else [queue], None)
        if queue is not None:
            return [queue, *needing]
        counts = await self._claims.count_open()
        # A blocked task may wait for a limit, and is then claimed from that limit's line.
        due = (TaskState.QUEUED, TaskState.BLOCKED)
        return sorted({each.queue for each in counts if each.state in due}) + needing

    async def _run(self, leased: LeasedTask) -> None:
        self._bench.holdings.take(leased.task.lease_id, {leased.task.id})
        # In a task of its own, because calling an attempt off cancels the task that it runs in.
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bench.runner.run(leased))
        await self._bench.recorder.wait_until_written()


def _bench(store: WorkerStore, executors: Executors, bus: Bus, metrics: Metrics) -> Workbench:
    clock = BootClock()
    around = Surroundings(
        store=store,
        executors=executors,
        bus=bus,
        database_url="",
        settings=WorkerSettings(lease_seconds=LEASE.total_seconds()),
        metrics=metrics,
        version=version("hive-orchestrator"),
        clock=clock,
    )
    bench = Workbench(
        around, slots=1, takes_bundles=False, is_draining=lambda: False, leave=lambda: None
    )
    bench.proof.move(clock.seconds())
    return bench
