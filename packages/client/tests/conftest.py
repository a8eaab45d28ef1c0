"""What the tests of the client share: a client, one without Redis, and a ground beside them."""

from collections.abc import AsyncGenerator

import pytest

from hive_client import Hive
from hive_testkit.ground import Ground, open_ground


@pytest.fixture
async def ground(database_url: str) -> AsyncGenerator[Ground]:
    async with open_ground(database_url) as ground:
        yield ground


@pytest.fixture
async def hive(database_url: str, redis_url: str) -> AsyncGenerator[Hive]:
    async with Hive.connect(database_url, redis_url) as hive:
        yield hive


@pytest.fixture
async def lonely_hive(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Hive]:
    """A client that knows no Redis."""
    monkeypatch.delenv("HIVE_REDIS_URL", raising=False)
    async with Hive.connect(database_url) as hive:
        yield hive
