"""A cluster of real processes for each test, ended afterwards whatever happened."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from hive_client import Hive
from hive_testkit.cluster import Cluster, running_cluster


@pytest_asyncio.fixture
async def cluster(database_url: str, redis_url: str, tmp_path: Path) -> AsyncGenerator[Cluster]:
    async with running_cluster(database_url, redis_url, tmp_path) as found:
        yield found


@pytest_asyncio.fixture
async def hive(cluster: Cluster) -> AsyncGenerator[Hive]:
    async with Hive.connect(cluster.database_url, cluster.redis_url) as found:
        yield found
