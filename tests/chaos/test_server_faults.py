"""Redis flushed and stopped, Postgres restarted: work is delayed, and none is lost."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_testkit.cluster import Cluster, check, open_cluster, some_have_ended, until
from hive_testkit.plugin import OwnServer

TASKS = 60
WITHIN = timedelta(seconds=75)


@pytest_asyncio.fixture
async def cluster(
    own_postgres: OwnServer, own_redis: OwnServer, tmp_path: Path
) -> AsyncGenerator[Cluster]:
    """A cluster on servers that may be broken."""
    found = await open_cluster(own_postgres.url, own_redis.url, tmp_path)
    try:
        yield found
    finally:
        found.stop()


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


async def test_a_flushed_redis_and_a_stopped_one_delay_work_and_lose_none(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId], own_redis: OwnServer
) -> None:
    await flush(own_redis.url)
    await some_have_ended(hive, task_ids, 20)
    await own_redis.stop()
    stopped = asyncio.get_running_loop().time()
    more = await cluster.submit(hive, 10)
    loop = asyncio.get_running_loop()
    await until(lambda: loop.time() - stopped > 10, seconds=20, what="time stands still")
    await own_redis.start()
    await hive.wait_for_all([*task_ids, *more], within=WITHIN)
    await check(cluster, hive)


async def test_a_restarted_postgres_loses_nothing_that_was_accepted(
    cluster: Cluster, hive: Hive, task_ids: list[TaskId], own_postgres: OwnServer
) -> None:
    before = {ended.id for ended in await hive.tasks.read_ended(task_ids)}
    await own_postgres.kill()
    await own_postgres.start()
    await hive.wait_for_all(task_ids, within=WITHIN)
    after = {ended.id for ended in await hive.tasks.read_ended(task_ids)}
    assert before <= after
    await check(cluster, hive)


async def flush(url: str) -> None:
    """Make Redis forget everything."""
    client_class: Any = Redis  # redis-py leaves its options untyped
    async with client_class.from_url(url) as client:
        await client.flushall()
