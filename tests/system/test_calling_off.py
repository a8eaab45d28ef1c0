"""A running task is called off from any process, also while Redis is down."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from hive_client import Hive, NewTask
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster
from hive_testkit.plugin import OwnServer

DEAF = "trap '' TERM; echo up; while true; do sleep 1; done"
GRACE_SECONDS = 2
SLACK_SECONDS = 20
"""For a machine that has much else to do; a task that nobody stops would run for ever."""


async def start_deaf(cluster: Cluster, hive: Hive) -> TaskId:
    """Return a task that runs, and cannot be stopped by asking."""
    grace = {"HIVE_COMMAND_GRACE_SECONDS": str(GRACE_SECONDS)}
    cluster.start("queen", "queen")
    cluster.start("worker", "worker", env=grace)
    task_id = await hive.submit("command", {"argv": ["sh", "-c", DEAF]})
    async with asyncio.timeout(60):
        while True:
            if await hive.tasks.read_output(task_id):
                return task_id
            await asyncio.sleep(0.05)


async def assert_stopped(cluster: Cluster, hive: Hive, task_id: TaskId, *, within: float) -> None:
    ended = await hive.wait(task_id, within=timedelta(seconds=within + SLACK_SECONDS))
    assert ended.state is TaskState.CANCELLED
    assert not cluster.left_running()
    record = await hive.show(task_id)
    assert record.cancel_requested_at is not None
    assert record.finished_at is not None
    took = (record.finished_at - record.cancel_requested_at).total_seconds()
    assert GRACE_SECONDS <= took < within + SLACK_SECONDS
    assert (record.losses, record.attempt) == (0, 1)


async def test_a_running_task_is_stopped_from_another_process(cluster: Cluster, hive: Hive) -> None:
    task_id = await start_deaf(cluster, hive)
    await cluster.printed("cancel", str(task_id))
    await assert_stopped(cluster, hive, task_id, within=GRACE_SECONDS + 1)


@pytest.fixture
async def alone(database_url: str, own_redis: OwnServer, tmp_path: Path) -> AsyncGenerator[Cluster]:
    """A cluster whose Redis nobody else uses."""
    cluster = Cluster(database_url, own_redis.url, tmp_path)
    try:
        yield cluster
    finally:
        await asyncio.to_thread(cluster.stop)


async def test_redis_being_down_costs_no_more_than_a_heartbeat(
    alone: Cluster, database: object, own_redis: OwnServer
) -> None:
    async with Hive.connect(alone.database_url, alone.redis_url) as hive:
        task_id = await start_deaf(alone, hive)
        await own_redis.kill()
        await alone.printed("cancel", str(task_id))
        await assert_stopped(alone, hive, task_id, within=GRACE_SECONDS + 5)


async def test_all_that_fit_are_called_off_at_once_running_or_not(
    cluster: Cluster, hive: Hive
) -> None:
    running = await start_deaf(cluster, hive)
    cluster.signal("queen", signal.SIGTERM)
    queue = "served-by-nobody"
    idle = NewTask(kind="command", payload={"argv": ["true"]}, queue=queue)
    others = await hive.submit_many([idle] * 3)
    await cluster.printed("cancel", "--kind", "command", "--since", "1h", "--yes", "--wait")
    assert not cluster.left_running()
    states = await hive.tasks.states([running, *others])
    assert set(states.values()) == {TaskState.CANCELLED}
