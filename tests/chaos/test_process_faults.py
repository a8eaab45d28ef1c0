"""A worker killed, a worker frozen, a queen killed: nothing lost, nothing twice, nothing left."""

import signal
from datetime import timedelta

import pytest

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_testkit.cluster import Cluster, check, some_have_ended

TASKS = 90
WITHIN = timedelta(seconds=75)


@pytest.fixture
async def task_ids(cluster: Cluster, hive: Hive) -> list[TaskId]:
    """Work that a queen and two workers are in the middle of."""
    cluster.start("queen", "queen")
    cluster.start("worker-1", "worker", "--async")
    cluster.start("worker-2", "worker", "--async")
    await cluster.until_workers_are_up(2)
    submitted = await cluster.submit(hive, TASKS)
    await some_have_ended(hive, submitted, 5)
    return submitted


async def test_a_killed_worker_loses_no_task(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId]
) -> None:
    await cluster.freeze_at_work("worker-1")
    cluster.signal("worker-1", signal.SIGKILL)
    await hive.wait_for_all(task_ids, within=WITHIN)
    count = await check(cluster, hive)
    assert count.losses > 0


async def test_a_worker_frozen_past_its_lease_runs_nothing_on_and_writes_nothing_late(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId]
) -> None:
    await cluster.freeze_at_work("worker-1")
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
