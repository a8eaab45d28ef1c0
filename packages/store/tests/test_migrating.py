"""Migrating: once, in order, by however many at once; and never over a newer schema."""

import asyncio
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from hive_contracts.errors import ConfigurationError, SchemaMismatchError, StoreUnavailableError
from hive_store import TaskStore, migrate, open_line
from hive_store.migrating import LATEST, migrations, schema_number
from hive_testkit.plugin import OwnServer

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MIGRATIONS = [
    "0001_core",
    "0002_groups",
    "0003_event_lists",
    "0004_blocked",
    "0005_keys",
    "0006_expiry",
    "0007_unique_keys",
    "0008_schedules",
    "0009_retention",
    "0010_dependencies",
    "0011_limits",
    "0012_retries",
    "0013_silence",
    "0014_stuck",
    "0015_labels",
    "0016_event_readers",
    "0017_insert_triggers",
    "0018_breakers",
    "0019_slots",
    "0020_ways_in",
    "0021_workspaces",
    "0022_mended",
    "0023_rings",
    "0024_asking",
    "0025_budgets",
    "0026_budgets_at_size",
    "0027_small_samples",
    "0028_roomy_ids",
]


@pytest.fixture
async def empty(database: Connection) -> Connection:
    """A connection to a database that Hive has never seen."""
    await database.execute("drop schema hive cascade")
    return database


async def test_a_database_is_migrated_once(empty: Connection, database_url: str) -> None:
    assert await schema_number(empty) == 0
    assert await migrate(database_url) == MIGRATIONS
    assert await migrate(database_url) == []
    assert await schema_number(empty) == LATEST
    async with open_line(database_url) as line:
        assert await TaskStore(line).count() == {}


async def test_a_database_with_roles_and_tasks_is_brought_to_new_outcomes(
    empty: Connection, database_url: str, tmp_path: Path
) -> None:
    for step in migrations():
        if step.number < 24:
            (tmp_path / f"{step.name}.sql").write_text(step.script)
    await migrate(database_url, folder=tmp_path)
    # As `hive roles` makes it: a column that a policy compares keeps its type.
    await empty.execute(
        "alter table hive.task enable row level security;"
        " create policy submitters_call_off_and_retry on hive.task for update"
        " using (state <> 'succeeded') with check (outcome = 'cancelled')"
    )
    await empty.execute(
        "insert into hive.task (kind, state, finished_at, outcome)"
        " values ('call', 'failed', now(), 'timed_out')"
    )
    assert await migrate(database_url) == MIGRATIONS[23:]
    assert await empty.fetchval("select outcome::text from hive.task") == "timed_out"


async def test_of_many_who_migrate_at_once_one_does_it_and_all_return(
    empty: Connection, database_url: str
) -> None:
    async with asyncio.TaskGroup() as group:
        all_of_them = [group.create_task(migrate(database_url)) for _ in range(6)]
    applied = sorted((one.result() for one in all_of_them), key=len)
    assert applied == [[]] * 5 + [MIGRATIONS]
    assert await schema_number(empty) == LATEST


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty: Connection, database_url: str
) -> None:
    await empty.execute("create schema hive; create table hive.output (id integer)")
    with pytest.raises(asyncpg.DuplicateTableError, match="output"):
        await migrate(database_url)
    assert await schema_number(empty) == 0
    assert await empty.fetchval("select to_regclass('hive.task')") is None


async def test_a_newer_schema_is_refused_by_all(database: Connection, database_url: str) -> None:
    await database.execute("insert into hive.migration (number, name) values (9999, 'future')")
    words = f"schema 9999 of Hive, newer than this Hive's {LATEST}; upgrade Hive"
    with pytest.raises(SchemaMismatchError, match=words):
        await migrate(database_url)
    async with open_line(database_url) as line:
        with pytest.raises(SchemaMismatchError, match=words):
            await line.fetch("count_orphans")


async def test_a_database_without_a_schema_says_what_to_run(
    empty: Connection, database_url: str
) -> None:
    assert await schema_number(empty) == 0
    async with open_line(database_url) as line:
        with pytest.raises(SchemaMismatchError, match=r"schema 0 of Hive.*run `hive migrate`"):
            await line.fetch("count_orphans")


async def test_a_role_that_may_not_make_the_schema_is_told_so(
    empty: Connection, database_url: str
) -> None:
    role = f"guest_{uuid4().hex}"
    await empty.execute(f"create role {role}")
    try:
        with pytest.raises(ConfigurationError, match="permission denied for database"):
            await migrate(f"{database_url}&role={role}")
    finally:
        await empty.execute(f"drop role {role}")


async def test_without_a_server_there_is_nothing_to_migrate(own_postgres: OwnServer) -> None:
    await own_postgres.stop()
    with pytest.raises(StoreUnavailableError, match="did not answer"):
        await migrate(own_postgres.url)
