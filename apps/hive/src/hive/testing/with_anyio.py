"""The async fixtures where anyio runs the test: it takes to itself what its tests ask for."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import pytest

from hive.testing.plugin import live

if TYPE_CHECKING:
    from hive.testing import HiveForTests
    from hive.testing.servers import HivePlace

__all__ = ["hive_under_anyio", "live_hive_under_anyio"]


@pytest.fixture
async def hive_under_anyio(hive_place: "HivePlace") -> "AsyncGenerator[HiveForTests]":
    """What `hive` is."""
    async with hive_place.connect() as found:
        yield found


@pytest.fixture
async def live_hive_under_anyio(
    request: pytest.FixtureRequest, hive_place: "HivePlace"
) -> "AsyncGenerator[HiveForTests]":
    """What `live_hive` is."""
    async with live(request, hive_place) as found:
        yield found
