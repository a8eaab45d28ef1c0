"""The async fixtures where pytest-asyncio runs the test. Only loaded where it is installed."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from hive.testing.plugin import live

if TYPE_CHECKING:
    from hive.testing import HiveForTests
    from hive.testing.servers import HivePlace

__all__ = ["hive_under_pytest_asyncio", "live_hive_under_pytest_asyncio"]


@pytest_asyncio.fixture
async def hive_under_pytest_asyncio(hive_place: "HivePlace") -> "AsyncGenerator[HiveForTests]":
    """What `hive` is."""
    async with hive_place.connect() as found:
        yield found


@pytest_asyncio.fixture
async def live_hive_under_pytest_asyncio(
    request: pytest.FixtureRequest, hive_place: "HivePlace"
) -> "AsyncGenerator[HiveForTests]":
    """What `live_hive` is."""
    async with live(request, hive_place) as found:
        yield found
