"""What `hive doctor` looks at in the servers."""

from pathlib import Path
from typing import Any

import pytest
from asyncpg import Connection

from hive.checkup import Check, check_up
from hive.settings import load


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
