"""Fixtures for the tests of your own code. pytest finds them wherever Hive is installed.

    hive_server      session    Postgres and Redis, on sockets in a temporary directory
    hive_place       function   a database of the test's own; `Hive.connect()` finds it
    hive             function   a client of it, for `async def` tests
    sync_hive        function   the same for others
    live_hive        function   the same, with a queen and a worker at work as processes
    sync_live_hive   function   the same for others

Nothing is imported before a fixture is asked for, since every run of pytest loads this module. An
async fixture belongs to whoever runs the test: there is one for pytest-asyncio and one for anyio.
"""
# ruff: noqa: PLC0415 - see above

from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hive.testing import HiveForTests, HiveServer, SyncHiveForTests
    from hive.testing.servers import HivePlace

__all__ = [
    "hive",
    "hive_place",
    "hive_server",
    "live",
    "live_hive",
    "pytest_configure",
    "sync_hive",
    "sync_live_hive",
]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and add the async fixtures that can be had."""
    config.addinivalue_line(
        "markers",
        "live_hive(workers=1, slots=4, queues=..., allow=..., settings=...): what live_hive runs.",
    )
    plugins = config.pluginmanager
    if plugins.has_plugin("asyncio"):
        plugins.import_plugin("hive.testing.with_pytest_asyncio")
    plugins.import_plugin("hive.testing.with_anyio")


@pytest.fixture(scope="session")
def hive_server() -> "Generator[HiveServer]":
    """Postgres and Redis of the session, gone with it; each pytest-xdist process has its own."""
    from hive.testing.servers import HiveServer

    with HiveServer.running() as server:
        yield server


@pytest.fixture
def hive_place(hive_server: "HiveServer") -> "Generator[HivePlace]":
    """A database of the test's own. `Hive.connect()` and commands of Hive find it by themselves."""
    with hive_server.place() as place, pytest.MonkeyPatch.context() as patch:
        for name, value in place.environment.items():
            patch.setenv(name, value)
        yield place


@pytest.fixture
def hive(request: pytest.FixtureRequest) -> "HiveForTests":
    """A Hive of the test's own, where nothing runs unless the test drains it."""
    return request.getfixturevalue(_variant(request, "hive"))


@pytest.fixture
def live_hive(request: pytest.FixtureRequest) -> "HiveForTests":
    """A Hive of the test's own, with a queen and a worker; see the marker of that name."""
    return request.getfixturevalue(_variant(request, "live_hive"))


@pytest.fixture
def sync_hive(hive_place: "HivePlace") -> "Generator[SyncHiveForTests]":
    """As `hive`, for tests without asyncio."""
    from hive.testing.sync_hive_for_tests import SyncHiveForTests

    with SyncHiveForTests.at(hive_place) as found:
        yield found


@pytest.fixture
def sync_live_hive(
    request: pytest.FixtureRequest, hive_place: "HivePlace"
) -> "Generator[SyncHiveForTests]":
    """As `live_hive`, for tests without asyncio."""
    from hive.testing.sync_hive_for_tests import SyncHiveForTests

    with SyncHiveForTests.at(hive_place, live(request, hive_place)) as found:
        yield found


def live(
    request: pytest.FixtureRequest, place: "HivePlace"
) -> "AbstractAsyncContextManager[HiveForTests]":
    """Return what runs at `place`, as the marker `live_hive` of the test has it."""
    from hive.testing.running import running_hive

    marker = request.node.get_closest_marker("live_hive")
    options: dict[str, Any] = {} if marker is None else marker.kwargs
    return running_hive(place=place, **options)


def _variant(request: pytest.FixtureRequest, name: str) -> str:
    if "anyio_backend" in request.fixturenames:
        return f"{name}_under_anyio"
    if request.config.pluginmanager.has_plugin("asyncio"):
        return f"{name}_under_pytest_asyncio"
    return pytest.fail(
        f"the fixture {name} is for tests that pytest-asyncio or anyio runs, and this one is run"
        f" by neither: install one of them and mark the test, or use sync_{name}",
        pytrace=False,
    )
