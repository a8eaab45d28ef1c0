"""A Redis that is there and refuses: work waits in Postgres, and goes on when it serves again.

Queen and worker are started before their servers are, which is a refusal as well.
"""

import socket
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest_asyncio

from hive_client import Hive
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster, check, open_cluster
from hive_testkit.plugin import OwnServer
from hive_testkit.waiting import until

WITHIN = timedelta(seconds=40)


@pytest_asyncio.fixture
async def cluster(
    database_url: str, own_redis: OwnServer, tmp_path: Path
) -> AsyncGenerator[Cluster]:
    """A cluster on a Redis that may be made to refuse."""
    found = await open_cluster(database_url, own_redis.url, tmp_path)
    try:
        yield found
    finally:
        found.stop()


def tell(server: OwnServer, command: str) -> None:
    """Have Redis do something that it answers with OK."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(urlsplit(server.url).path)
        connection.sendall(f"{command}\r\n".encode())
        assert connection.recv(100).startswith(b"+OK"), command


async def test_work_waits_for_a_redis_that_starts_late_is_full_or_is_a_replica(
    cluster: Cluster, hive: Hive, own_redis: OwnServer
) -> None:
    await own_redis.stop()
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    task_ids = await cluster.submit(hive, 4)
    await until(lambda: says(cluster, "queen", "something is away"))
    await until(lambda: says(cluster, "worker", "no bundles come"))
    assert await hive.tasks.count() == {"default": {TaskState.QUEUED: 4}}
    await own_redis.start()
    await hive.wait_for_all(task_ids, within=WITHIN)
    refusals = {
        "used memory > 'maxmemory'": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        "read only replica": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    }
    for words, (refuse, serve) in refusals.items():
        tell(own_redis, refuse)
        task_ids = await cluster.submit(hive, 4)
        await until(lambda words=words: says(cluster, "queen", words))
        assert await hive.tasks.read_ended(task_ids) == []
        tell(own_redis, serve)
        await hive.wait_for_all(task_ids, within=WITHIN)
    await check(cluster, hive)


def says(cluster: Cluster, name: str, words: str) -> bool:
    return words in (cluster.folder / f"{name}.log").read_text()
