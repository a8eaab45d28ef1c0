"""Bring a backup back into a database: all of it in one transaction, or nothing.

The schema is made as it was when the backup was made, filled, and migrated from there to this
Hive's; an empty database that has that schema already is filled as it is, also while queens and
workers wait at it. No lease of the old Hive holds in the new one: what was leased is queued again,
uncounted. The workers and queens of the old Hive are not brought back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import asyncpg

from hive_contracts.errors import ConfigurationError, SchemaMismatchError
from hive_store.archive import SavedRows, open_backup, unreadable
from hive_store.backing_up import COPY_SETTINGS, CopyProgress
from hive_store.connecting import Connection, connect, say_farewell, translated
from hive_store.manifest import Manifest, SavedTable
from hive_store.migrating import (
    ADVISORY_LOCK,
    LATEST,
    LONGEST_STEP_SECONDS,
    apply,
    migrations,
    read_schema,
)
from hive_store.statements import statement

__all__ = ["Restored", "restore"]

LIVING_SECONDS: Final = 15.0

REFUSALS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.DuplicateColumnError,
    asyncpg.WrongObjectTypeError,
)
"""What Postgres says of rows, tables and columns that no Hive has saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore came to."""

    manifest: Manifest
    queued: int
    """How many tasks were leased when the backup was made, and are queued again."""

    failed: int
    """How many of those had started and may never run again."""

    cancelled: int
    """How many of those were called off."""


async def restore(
    url: str, path: Path, *, replaces: bool, on_progress: Callable[[CopyProgress], None]
) -> Restored:
    """Fill the database with the backup `path`.

    Args:
        url: the database.
        path: the backup.
        replaces: also a database that holds tasks; they are deleted.
        on_progress: called as rows arrive.

    Raises:
        ConfigurationError: the file is no whole backup; the database holds tasks, or somebody is
            at work on it; or the server refuses us.
        SchemaMismatchError: the backup or the database is of a newer Hive.
        StoreUnavailableError: Postgres did not answer.
    """
    with open_backup(path) as saved:
        if saved.manifest.schema > LATEST:
            raise SchemaMismatchError(
                f"{path} was made with schema {saved.manifest.schema} of Hive, newer than this"
                f" Hive's {LATEST}; upgrade Hive on this machine"
            )
        connection = await connect(url, settings=COPY_SETTINGS)
        try:
            with translated(url):
                await connection.execute(
                    "select pg_advisory_lock($1)", ADVISORY_LOCK, timeout=LONGEST_STEP_SECONDS
                )
                async with connection.transaction():
                    await _make_room(connection, saved.manifest, replaces=replaces)
                    await _fill(connection, saved, path, on_progress)
                    return await _settle(connection, saved.manifest)
        finally:
            await say_farewell(connection)


async def _make_room(connection: Connection, manifest: Manifest, *, replaces: bool) -> None:
    """Leave the database empty and with the backup's schema."""
    found = await read_schema(connection)
    if found.number > LATEST:
        found.refuse(LATEST)
    if found.number:
        # Nobody submits while we look, and until everything is there.
        await connection.execute("lock table hive.task, hive.event in share row exclusive mode")
        [there] = await connection.fetch(statement("look_before_restoring"), LIVING_SECONDS)
        if there["holds_anything"] and not replaces:
            raise ConfigurationError(
                "the database holds tasks already: restore into an empty one, or say --replace to"
                " have all of them deleted"
            )
        if found.number == manifest.schema and not there["holds_anything"]:
            return
        _refuse_company(there["living"])
        await connection.execute("drop schema hive cascade")
    await apply(connection, [step for step in migrations() if step.number <= manifest.schema])


def _refuse_company(living: int) -> None:
    if living:
        raise ConfigurationError(
            f"{living} queens and workers were at work on this database within the last"
            f" {LIVING_SECONDS:.0f} s, and its tables are to be made anew: stop them first"
        )


async def _fill(
    connection: Connection,
    saved: SavedRows,
    path: Path,
    on_progress: Callable[[CopyProgress], None],
) -> None:
    manifest = saved.manifest
    for day in manifest.event_days:
        await connection.execute(_event_day(day))
    for number, table in enumerate(manifest.tables, start=1):
        try:
            await _fill_table(
                connection,
                saved,
                table,
                on_bytes=lambda count, n=number, t=table: on_progress(
                    CopyProgress(table=t.name, number=n, tables=len(manifest.tables), bytes=count)
                ),
            )
        except REFUSALS as error:
            raise unreadable(path, f"the rows of {table.name} are refused: {error}") from error
    for name, value in manifest.sequences.items():
        await connection.execute(statement("set_sequence"), name, value)


async def _fill_table(
    connection: Connection,
    saved: SavedRows,
    table: SavedTable,
    *,
    on_bytes: Callable[[int], None],
) -> None:
    count = 0

    async def pieces():
        nonlocal count
        async for data in saved.of(table):
            count += len(data)
            on_bytes(count)
            yield data

    await connection.copy_to_table(
        table.name,
        schema_name="hive",
        columns=list(table.columns),
        source=pieces(),
        timeout=LONGEST_STEP_SECONDS,
    )


async def _settle(connection: Connection, manifest: Manifest) -> Restored:
    """Go from the backup's schema to this Hive's, and end the leases of the old Hive."""
    await apply(connection, [step for step in migrations() if step.number > manifest.schema])
    [row] = await connection.fetch(
        statement("settle_restored_tasks"), None, "backup", timeout=LONGEST_STEP_SECONDS
    )
    return Restored(
        manifest=manifest,
        queued=row["queued"],
        failed=row["failed"],
        cancelled=row["cancelled"],
    )


def _event_day(day: date) -> str:
    # Without its own partition the day's events would lie in the default one, which is an alarm.
    return (
        f"create table if not exists hive.event_{day:%Y%m%d} partition of hive.event"
        f" for values from ('{day} 00:00:00+00') to ('{day + timedelta(days=1)} 00:00:00+00')"
    )
