"""The worker that needs no queen: one task at a time, and every promise kept."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from hive_contracts.execution import Tools
from hive_contracts.states import TaskState
from hive_store import FleetStore, open_line
from hive_telemetry.metrics import Metrics
from hive_testkit.ground import Ground
from hive_testkit.trial import Gate, NoSpawner, Stage
from hive_testkit.waiting import until
from hive_worker.settings import WorkerSettings
from hive_worker.sync_worker import SyncWorker, open_sync_worker

pytestmark = pytest.mark.usefixtures("trial_kind")


@asynccontextmanager
async def at_work(
    database_url: str, redis_url: str, stage: Stage, *, grace_seconds: float = 10, stops: int = 1
) -> AsyncGenerator[SyncWorker]:
    """Give a sync worker that is at work, stop it afterwards, and wait until it has left."""
    async with (
        open_sync_worker(
            database_url=database_url,
            redis_url=redis_url,
            redis_prefix="trial",
            tools=Tools(spawner=NoSpawner(), settings=(stage,)),
            settings=WorkerSettings(grace_seconds=grace_seconds),
            metrics=Metrics(),
            version="0",
        ) as worker,
        asyncio.timeout(20),
        asyncio.TaskGroup() as group,
    ):
        group.create_task(worker.run())
        yield worker
        for _ in range(stops):
            worker.stop()


async def test_tasks_run_one_after_another_without_a_queen(
    ground: Ground, database_url: str, redis_url: str
) -> None:
    gate = Gate()
    await ground.submit(5)
    async with at_work(database_url, redis_url, Stage(gate)):
        await gate.entered.wait()
        gate.open()

        async def all_have_succeeded() -> bool:
            return await ground.tasks.count() == {"default": {TaskState.SUCCEEDED: 5}}

        await until(all_have_succeeded)
        async with open_line(database_url) as line:
            [seen] = await FleetStore(line).workers(seen_within=timedelta(minutes=1))
            queens_count = await line.fetch("count_capacity", 60.0, [], [])
    assert gate.most_inside == 1
    assert (seen.queues, seen.slots) == (("default",), 1)
    assert list(queens_count) == []
    assert await ground.tasks.count_orphans() == 0


async def test_it_finishes_what_runs_before_it_leaves_and_signs_off(
    ground: Ground, database_url: str, redis_url: str
) -> None:
    gate = Gate()
    [task_id] = await ground.submit(1)
    async with at_work(database_url, redis_url, Stage(gate), stops=0) as worker:
        await gate.entered.wait()
        worker.stop()
        gate.open()
    assert (await ground.tasks.read(task_id)).state is TaskState.SUCCEEDED
    async with open_line(database_url) as line:
        assert await FleetStore(line).workers(seen_within=timedelta(minutes=1)) == []


async def test_asked_twice_it_gives_back_what_runs_uncounted(
    ground: Ground, database_url: str, redis_url: str
) -> None:
    gate = Gate()
    [task_id] = await ground.submit(1)
    async with at_work(database_url, redis_url, Stage(gate), stops=2):
        await gate.entered.wait()
    record = await ground.tasks.read(task_id)
    assert record.state is TaskState.QUEUED
    assert (record.failures, record.losses, record.attempt) == (0, 0, 0)


async def test_after_the_grace_it_gives_back_what_runs_uncounted(
    ground: Ground, database_url: str, redis_url: str
) -> None:
    gate = Gate()
    [task_id] = await ground.submit(1)
    async with at_work(database_url, redis_url, Stage(gate), grace_seconds=0.1):
        await gate.entered.wait()
    record = await ground.tasks.read(task_id)
    assert record.state is TaskState.QUEUED
    assert [attempt.outcome for attempt in record.history] == ["released"]
