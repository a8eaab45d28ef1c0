"""Five faults, each in the middle of real work: nothing lost, nothing twice, nothing left."""

import asyncio
import signal
from datetime import timedelta

import pytest

from hive_client import Hive
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import TaskId
from hive_testkit.cluster import Cluster, Count, until
from hive_testkit.plugin import OwnServer

TASKS = 60
WITHIN = timedelta(seconds=75)


async def some_have_ended(hive: Hive, task_ids: list[TaskId], count: int) -> None:
    """Return once `count` of the tasks have ended and others have not."""
    async with asyncio.timeout(60):
        while True:
            if count <= len(await hive.tasks.read_ended(task_ids)) < len(task_ids):
                return
            await asyncio.sleep(0.02)


async def check(cluster: Cluster, hive: Hive) -> Count:
    """Hold every task against what it must be; return the count."""
    count = await cluster.count(hive)
    assert count.lost == 0
    assert count.wrong == 0
    assert count.accepted_twice == 0
    assert count.overlapping == 0
    assert count.orphans == 0
    assert count.succeeded == len(cluster.submitted)
    cluster.stop()
    await until(lambda: not cluster.left_running(), seconds=10, what="processes are left")
    return count


@pytest.fixture
async def task_ids(cluster: Cluster, hive: Hive) -> list[TaskId]:
    """Work that a queen and two workers are in the middle of."""
    cluster.start("queen", "queen")
    cluster.start("worker-1", "worker", "--async")
    cluster.start("worker-2", "worker", "--async")
    submitted = await cluster.submit(hive, TASKS)
    await some_have_ended(hive, submitted, 5)
    return submitted


async def test_a_killed_worker_loses_no_task(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId]
) -> None:
    cluster.signal("worker-1", signal.SIGKILL)
    await hive.wait_for_all(task_ids, within=WITHIN)
    count = await check(cluster, hive)
    assert count.losses > 0


async def test_a_worker_frozen_past_its_lease_runs_nothing_on_and_writes_nothing_late(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId]
) -> None:
    cluster.signal("worker-1", signal.SIGSTOP)
    await hive.wait_for_all(task_ids, within=WITHIN)
    cluster.signal("worker-1", signal.SIGCONT)
    more = await cluster.submit(hive, 10)
    await hive.wait_for_all(more, within=WITHIN)
    count = await check(cluster, hive)
    assert count.losses > 0


async def test_a_killed_queen_is_replaced_by_any_other(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId]
) -> None:
    cluster.signal("queen", signal.SIGKILL)
    cluster.start("queen-2", "queen")
    await hive.wait_for_all(task_ids, within=WITHIN)
    await check(cluster, hive)


async def test_a_flushed_redis_and_a_stopped_one_delay_work_and_lose_none(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId], own_redis: OwnServer
) -> None:
    await own_redis.kill()  # it keeps nothing on disk: what comes back is empty
    await own_redis.start()
    await some_have_ended(hive, task_ids, 20)
    await own_redis.stop()
    stopped = asyncio.get_running_loop().time()
    more = await cluster.submit(hive, 10)
    loop = asyncio.get_running_loop()
    await until(lambda: loop.time() - stopped > 4, seconds=10, what="time stands still")
    await own_redis.start()
    await hive.wait_for_all([*task_ids, *more], within=WITHIN)
    await check(cluster, hive)


async def test_a_restarted_postgres_loses_nothing_that_was_accepted(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId], own_postgres: OwnServer
) -> None:
    before = {ended.id for ended in await hive.tasks.read_ended(task_ids)}
    await own_postgres.kill()
    await own_postgres.start()
    await wait_through_outage(hive, task_ids)
    after = {ended.id for ended in await hive.tasks.read_ended(task_ids)}
    assert before <= after
    await check(cluster, hive)


async def wait_through_outage(hive: Hive, task_ids: list[TaskId]) -> None:
    """Wait as a patient client would: ask again when Postgres had been away."""
    async with asyncio.timeout(WITHIN.total_seconds()):
        while True:
            try:
                await hive.wait_for_all(task_ids, within=WITHIN)
            except StoreUnavailableError:
                await asyncio.sleep(0.2)
            else:
                return
