"""What the tests of the store share: stores on lines of their own, closed when the test ends."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from hive_contracts.ids import LeaseId, QueenId, TaskId, WorkerId
from hive_contracts.tasks import NewTask
from hive_store import (
    HOT_SETTINGS,
    EventLog,
    HeartbeatStore,
    Line,
    QueenStore,
    TaskStore,
    WorkerStore,
)
from hive_store.claiming import Watermarks

for profile, examples in (("desk", 30), ("ci", 200), ("nightly", 5000)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "desk"))


@pytest.fixture
async def open_line(database_url: str) -> AsyncGenerator[Callable[[], Line]]:
    """Makes lines to the test's database, with the settings that queens and workers use."""
    async with AsyncExitStack() as stack:

        def make() -> Line:
            line = Line(database_url, settings=HOT_SETTINGS)
            stack.push_async_callback(line.close)
            return line

        yield make


@pytest.fixture
def open_queen(open_line: Callable[[], Line]) -> Callable[[], QueenStore]:
    """Makes queens."""
    return lambda: QueenStore(QueenId(uuid4()), claims=open_line(), upkeep=open_line())


@pytest.fixture
def open_worker(open_line: Callable[[], Line]) -> Callable[[], WorkerStore]:
    """Makes workers."""
    return lambda: WorkerStore(WorkerId(uuid4()), accepts=open_line(), finishes=open_line())


@pytest.fixture
def tasks(open_line: Callable[[], Line]) -> TaskStore:
    return TaskStore(open_line())


@pytest.fixture
def log(open_line: Callable[[], Line]) -> EventLog:
    return EventLog(open_line())


@pytest.fixture
def queen(open_queen: Callable[[], QueenStore]) -> QueenStore:
    return open_queen()


@pytest.fixture
def worker(open_worker: Callable[[], WorkerStore]) -> WorkerStore:
    return open_worker()


@pytest.fixture
def heartbeat(worker: WorkerStore, open_line: Callable[[], Line]) -> HeartbeatStore:
    """The heartbeat of `worker`."""
    return HeartbeatStore(worker.worker_id, open_line())


@pytest.fixture
def lease_out(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore
) -> Callable[[int], Awaitable[tuple[LeaseId, list[TaskId]]]]:
    """Submits so many tasks and puts them into the hands of `worker`, in one lease of a minute."""

    async def lease_out(count: int) -> tuple[LeaseId, list[TaskId]]:
        ids = await tasks.submit([NewTask(kind="call") for _ in range(count)])
        [bundle] = await queen.claim(
            "default",
            limit=count,
            lease=timedelta(minutes=1),
            bundle_size=count,
            worker_count=1,
            watermarks=Watermarks(),
        )
        await worker.accept([bundle.lease_id], lease=timedelta(minutes=1))
        return bundle.lease_id, ids

    return lease_out


@pytest.fixture
def somebody_waits(database_url: str) -> Callable[[], Awaitable[None]]:
    """Returns as soon as some connection to the test's database waits for a lock."""

    async def somebody_waits() -> None:
        observer = await asyncpg.connect(database_url)
        try:
            async with asyncio.timeout(10):
                while not await observer.fetchval(
                    "select count(*) from pg_stat_activity"
                    " where datname = current_database() and wait_event_type = 'Lock'"
                ):
                    pass
        finally:
            await observer.close()

    return somebody_waits
