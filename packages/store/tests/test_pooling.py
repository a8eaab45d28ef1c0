"""Through a pooler of sessions everything works; one that lends sessions is refused at once."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import ConfigurationError
from hive_contracts.tasks import NewTask
from hive_store import HOT_SETTINGS, Doorbell, TaskStore, open_line
from hive_store.connecting import connect
from hive_store.pooling import is_direct
from hive_testkit.bouncer import running_bouncer
from hive_testkit.ground import open_ground

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

REFUSED = r"lends a session for one transaction at a time.*`pool_mode = session`"
LEASE = timedelta(seconds=15)


@pytest.fixture
def folder() -> Generator[Path]:
    """A directory whose path is short enough for a socket."""
    with TemporaryDirectory(prefix="hive-test-") as made:
        yield Path(made)


async def test_a_connection_without_a_pooler_is_told_as_such(database: Connection) -> None:
    assert await is_direct(database)


async def test_a_task_goes_its_whole_way_through_a_pooler_of_sessions(
    database_url: str, folder: Path
) -> None:
    with running_bouncer(database_url, folder, pool_mode="session") as url:
        async with Doorbell.open(url) as doorbell, open_ground(url) as ground:
            await doorbell.listen()
            await doorbell.wait(seconds=0)
            bundle = await ground.bundle(3)
            assert await doorbell.wait(seconds=10)
            assert len(await ground.worker.accept([bundle.lease_id], lease=LEASE)) == 1
            assert len(await ground.worker.read([bundle.lease_id])) == 3


async def test_the_settings_of_hot_connections_arrive_through_a_pooler(
    database_url: str, folder: Path
) -> None:
    with running_bouncer(database_url, folder, pool_mode="session") as url:
        connection = await connect(url, settings=HOT_SETTINGS)
        assert not await is_direct(connection)
        found = {name: await connection.fetchval(f"show {name}") for name in HOT_SETTINGS}
        await connection.close()
    assert found == HOT_SETTINGS


@pytest.mark.parametrize("lends_in_turn", [False, True])
@pytest.mark.parametrize("pool_size", [1, 3])
async def test_a_pooler_that_lends_sessions_is_refused_with_the_way_out(
    database_url: str, folder: Path, *, pool_size: int, lends_in_turn: bool
) -> None:
    with running_bouncer(
        database_url,
        folder,
        pool_mode="transaction",
        pool_size=pool_size,
        lends_in_turn=lends_in_turn,
    ) as url:
        for _ in range(3):
            async with open_line(url) as line:
                with pytest.raises(ConfigurationError, match=REFUSED):
                    await TaskStore(line).submit([NewTask(kind="call")])
        async with Doorbell.open(url) as doorbell:
            with pytest.raises(ConfigurationError, match=REFUSED):
                await doorbell.listen()


async def test_a_pooler_that_lends_for_one_statement_is_refused_too(
    database_url: str, folder: Path
) -> None:
    with running_bouncer(database_url, folder, pool_mode="statement") as url:  # noqa: SIM117
        with pytest.raises(ConfigurationError, match=REFUSED):
            await connect(url)


async def test_a_pooler_of_sessions_with_no_room_for_the_probe_is_used_all_the_same(
    database_url: str, folder: Path
) -> None:
    with running_bouncer(database_url, folder, pool_mode="session", pool_size=1) as url:
        async with open_line(url) as line:
            assert await TaskStore(line).count() == {}
