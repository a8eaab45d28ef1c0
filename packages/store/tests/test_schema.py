"""Which program may work with which schema, by what the migrations declared."""

from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import SchemaMismatchError
from hive_store import TaskStore, migrate, open_line
from hive_store.migrating import LATEST, migrations, read_schema
from hive_store.schema import Schema, declared_compatible_from
from hive_testkit.schemas import TOMORROW, migrations_of_tomorrow, migrations_of_yesterday

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.mark.parametrize(
    ("schema", "programs"),
    [
        (Schema(0, 0), set[int]()),
        (Schema(7, 6), {6, 7}),
        (Schema(7, 4), {4, 5, 6, 7}),
        (Schema(7, 7), {7}),
    ],
)
def test_a_program_may_work_with_its_own_schema_and_with_those_that_bear_it(
    schema: Schema, programs: set[int]
) -> None:
    assert {program for program in range(1, 10) if schema.bears(program)} == programs


def test_a_refusal_names_both_schemas_and_the_way_out() -> None:
    with pytest.raises(SchemaMismatchError, match=r"has schema 7 .* needs 8; run `hive migrate`"):
        Schema(7, 6).refuse(8)
    words = (
        "has schema 7 of Hive, newer than this Hive's 5; upgrade Hive on this machine:"
        " the schema works with programs of schema 6 and later"
    )
    with pytest.raises(SchemaMismatchError, match=words):
        Schema(7, 6).refuse(5)


def test_only_a_program_that_is_older_than_the_schema_has_something_to_say() -> None:
    assert Schema(7, 6).notice_for(7) is None
    assert "schema 7 of Hive, newer than this Hive's 6" in str(Schema(7, 6).notice_for(6))


def test_a_migration_that_declares_nothing_bears_the_programs_of_the_schema_before() -> None:
    assert declared_compatible_from(7, "-- Words.\nselect 1;") == 6
    assert declared_compatible_from(7, "-- Words.\n-- compatible_from: 3\nselect 1;") == 3


def test_what_hives_own_migrations_declare_can_be_read() -> None:
    for step in migrations():
        declarations = [line for line in step.script.splitlines() if "compatible_from" in line]
        assert declarations in ([], [f"-- compatible_from: {step.compatible_from}"])
        assert step.compatible_from <= step.number


async def test_an_older_program_works_on_a_newer_schema_that_bears_it(
    database_url: str, tmp_path: Path
) -> None:
    tomorrow = migrations_of_tomorrow(tmp_path)
    assert await migrate(database_url, folder=tomorrow) == [f"{TOMORROW:04}_novelty"]
    async with open_line(database_url) as line:
        notice = await line.first_look()
        assert notice is not None
        assert f"schema {TOMORROW} of Hive, newer than this Hive's {LATEST}" in notice
        assert await TaskStore(line).count() == {}
        await line.check_schema()
    assert await migrate(database_url) == []


async def test_an_older_program_is_refused_by_a_newer_schema_that_does_not_bear_it(
    database_url: str, tmp_path: Path
) -> None:
    async with open_line(database_url) as line:
        assert await line.first_look() is None
        tomorrow = migrations_of_tomorrow(tmp_path, compatible_from=TOMORROW)
        await migrate(database_url, folder=tomorrow)
        words = f"newer than this Hive's {LATEST}; upgrade .* schema {TOMORROW} and later"
        with pytest.raises(SchemaMismatchError, match=words):
            await line.check_schema()
    async with open_line(database_url) as line:
        with pytest.raises(SchemaMismatchError, match=words):
            await TaskStore(line).count()
    with pytest.raises(SchemaMismatchError, match=words):
        await migrate(database_url)


async def test_what_one_migration_does_not_bear_a_later_one_does_not_bring_back(
    database: Connection, database_url: str, tmp_path: Path
) -> None:
    strict = migrations_of_tomorrow(tmp_path, compatible_from=TOMORROW)
    (strict / f"{TOMORROW + 1:04}_more.sql").write_text(
        "-- More.\n-- compatible_from: 1\ncreate table hive.more ();"
    )
    await migrate(database_url, folder=strict)
    assert await read_schema(database) == Schema(TOMORROW + 1, TOMORROW)


async def test_a_schema_that_says_nothing_of_older_programs_bears_none(
    database: Connection,
) -> None:
    await database.execute("insert into hive.migration (number, name) values (9999, 'future')")
    assert await read_schema(database) == Schema(9999, 9999)


async def test_a_database_that_was_migrated_before_this_was_kept_goes_on(
    database: Connection, database_url: str, tmp_path: Path
) -> None:
    await database.execute("alter table hive.migration drop column compatible_from")
    async with open_line(database_url) as line:
        assert await TaskStore(line).count() == {}
    await migrate(database_url, folder=migrations_of_tomorrow(tmp_path))
    assert await read_schema(database) == Schema(TOMORROW, LATEST)


def test_hives_migrations_number_each_step_once_and_leave_none_out() -> None:
    assert [step.number for step in migrations()] == [*range(1, LATEST + 1)]


async def test_a_database_of_an_older_hive_is_brought_up_to_date(
    database: Connection, database_url: str, tmp_path: Path
) -> None:
    await database.execute("drop schema hive cascade")
    await migrate(database_url, folder=migrations_of_yesterday(tmp_path))
    async with open_line(database_url) as line:
        words = f"schema {LATEST - 1} of Hive, this Hive needs {LATEST}; run `hive migrate`"
        with pytest.raises(SchemaMismatchError, match=words):
            await line.first_look()
    assert await migrate(database_url) == [migrations()[-1].name]
