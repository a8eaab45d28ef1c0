"""What the tests of the store share: stores on lines of their own, closed when the test ends."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from hive_contracts.ids import QueenId, WorkerId
from hive_store import (
    HOT_SETTINGS,
    EventLog,
    HeartbeatStore,
    Line,
    QueenStore,
    TaskStore,
    WorkerStore,
)

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
