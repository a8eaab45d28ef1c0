"""Queues with weights through a real Hive: who starts how often while both have work."""

from datetime import timedelta

import asyncpg

from hive_client import Hive
from hive_testkit.cluster import Cluster, check

COUNT = 80
FIRST = 80
"""While these start, both queues have work: the heavier one is through after 106."""

BOUND = 12
"""Tasks run for as long as the machine lets them, and it is the time of slots that is shared."""


async def test_of_two_queues_with_work_each_has_its_weight_and_the_last_one_has_all(
    cluster: Cluster, hive: Hive
) -> None:
    task_ids = [
        *await cluster.submit(hive, COUNT, queue="heavy"),
        *await cluster.submit(hive, COUNT, queue="light"),
    ]
    cluster.start("queen", "queen", "--weight", "heavy=3", "--weight", "light=1")
    cluster.start("worker", "worker", "light", "heavy")
    await hive.wait_for_all(task_ids, within=timedelta(minutes=5))
    started = await started_queues(cluster)
    assert len(started) == 2 * COUNT
    assert abs(started[:FIRST].count("heavy") - FIRST * 3 / 4) <= BOUND, started[:FIRST]
    await check(cluster, hive)


async def started_queues(cluster: Cluster) -> list[str]:
    """Return the queue of each task, in the order in which they started."""
    connection = await asyncpg.connect(cluster.database_url)
    try:
        rows = await connection.fetch("select queue from hive.task order by started_at")
    finally:
        await connection.close()
    return [row["queue"] for row in rows]
