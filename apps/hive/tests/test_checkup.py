"""What `hive doctor` looks at in the servers."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from asyncpg import Connection

from hive.checkup import Check, check_up
from hive.settings import load
from hive_store import migrate
from hive_testkit.plugin import OwnServer
from hive_testkit.schemas import TOMORROW, migrations_of_tomorrow


async def checks(database_url: str, redis_url: str, folder: Path) -> dict[str, Check]:
    flags = {"database.url": database_url, "redis.url": redis_url, "services.data_dir": str(folder)}
    return {check.name: check for check in await check_up(load(flags=flags, environment={}))}


async def test_servers_that_answer_are_fine(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    found = await checks(database_url, redis_url, tmp_path)
    assert found["database"].is_fine
    assert found["schema"].is_fine
    assert found["redis"].is_fine
    assert "answers" in found["redis"].found
    assert "transaction" not in found


async def test_the_fences_around_commands_are_named(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    found = await checks(database_url, redis_url, tmp_path)
    fences = [name for name in found if name.startswith("fence: ")]
    assert fences == [
        "fence: process trees",
        "fence: limits",
        "fence: memory shortage",
        "fence: control groups",
    ]
    assert all(found[name].is_fine for name in fences)


async def test_the_connections_that_the_server_has_left_are_counted(
    own_postgres: OwnServer, redis_url: str, tmp_path: Path
) -> None:
    await migrate(own_postgres.url)
    administrator = await asyncpg.connect(own_postgres.url)
    await administrator.execute("alter system set max_connections = 12")
    await administrator.close()
    await own_postgres.stop()
    await own_postgres.start()
    async with AsyncExitStack() as stack:
        held = [await asyncpg.connect(own_postgres.url) for _ in range(4)]
        for connection in held:
            stack.push_async_callback(connection.close)
        # 12, less 3 for administrators, 4 others, and the doctor himself.
        found = (await checks(own_postgres.url, redis_url, tmp_path))["connections"]
        assert found.is_fine
        assert "5 of 9 are open" in found.found
        assert "room for 1 more worker processes" in found.found

        await held[0].execute(
            "insert into hive.worker (id, host, pid, version, queues, slots) select"
            " gen_random_uuid(), 'far', n, '0', '{default}', 1 from generate_series(1, 3) n"
        )
        found = (await checks(own_postgres.url, redis_url, tmp_path))["connections"]
        assert not found.is_fine
        assert "(3) need 9; room for 0 more" in found.found
        assert "max_connections" in (found.remedy or "")


async def test_a_newer_schema_is_fine_as_long_as_it_bears_this_hive(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    await migrate(database_url, folder=migrations_of_tomorrow(tmp_path))
    schema = (await checks(database_url, redis_url, tmp_path))["schema"]
    assert schema.is_fine
    assert f"{TOMORROW}; newer than this Hive's" in schema.found


async def test_a_schema_that_does_not_bear_this_hive_is_named_with_the_way_out(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    await migrate(database_url, folder=migrations_of_tomorrow(tmp_path, compatible_from=TOMORROW))
    schema = (await checks(database_url, redis_url, tmp_path))["schema"]
    assert schema.remedy == "upgrade Hive on this machine"


async def test_a_transaction_that_holds_the_log_back_is_named(
    database: "Connection[Any]",
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hive.checkup.LONG_TRANSACTION_SECONDS", 0.0)
    async with database.transaction():
        await database.execute("create temporary table held ()")
        pid = await database.fetchval("select pg_backend_pid()")
        held = (await checks(database_url, redis_url, tmp_path))["transaction"]
    assert not held.is_fine
    assert f"process {pid}" in held.found
    assert held.remedy is not None
    assert f"pg_terminate_backend({pid})" in held.remedy


async def test_servers_that_are_away_are_named_with_the_way_out(tmp_path: Path) -> None:
    nowhere = f"host={tmp_path}"
    found = await checks(f"postgresql://hive@/hive?{nowhere}", f"unix://{tmp_path}/none", tmp_path)
    assert not found["database"].is_fine
    assert not found["redis"].is_fine
    assert "HIVE_DATABASE_URL" in (found["database"].remedy or "")
