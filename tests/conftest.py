"""A cluster of real processes for each test, ended afterwards whatever happened."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio

from hive_client import Hive
from hive_testkit.cluster import Cluster, open_cluster


@pytest_asyncio.fixture
async def cluster(database_url: str, redis_url: str, tmp_path: Path) -> AsyncGenerator[Cluster]:
    async with running_cluster(database_url, redis_url, tmp_path) as found:
        yield found


@asynccontextmanager
async def running_cluster(
    database_url: str, redis_url: str, tmp_path: Path
) -> AsyncGenerator[Cluster]:
    found = await open_cluster(database_url, redis_url, tmp_path)
    try:
        yield found
    finally:
        found.stop()
        for log in sorted(tmp_path.glob("*.log")):
            sys.stderr.write(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")


@pytest_asyncio.fixture
async def hive(cluster: Cluster) -> AsyncGenerator[Hive]:
    async with Hive.connect(cluster.database_url, cluster.redis_url) as found:
        yield found
