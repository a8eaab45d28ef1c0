"""Bring a database's schema to the one this Hive was made for.

Migrations are numbered, go forward only, and are one transaction each. An advisory lock makes any
number of programs that start at once migrate one after another; the second finds nothing to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from hive_store.connecting import Connection, connect, translated
from hive_store.schema import Schema, declared_compatible_from
from hive_store.statements import statement

__all__ = [
    "ADVISORY_LOCK",
    "LATEST",
    "Migration",
    "apply",
    "check_schema",
    "migrate",
    "migrations",
    "read_schema",
    "schema_number",
]

LATEST: Final = 28
"""Number of the schema that this Hive works with: that of the last file of `migrations/`."""

ADVISORY_LOCK: Final = 0x48495645
"""`HIVE` in ASCII; a number that nobody else is likely to lock."""

LONGEST_STEP_SECONDS: Final = 24 * 3600.0
"""An index on millions of tasks takes its time, and so does waiting for another who migrates."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step."""

    number: int
    name: str
    script: str
    compatible_from: int
    """The oldest schema whose programs still work once this step is taken."""


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """Return the steps in `folder`, Hive's own if None, in order."""
    folder = folder or files("hive_store").joinpath("migrations")
    scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [_read(f) for f in scripts]


def _read(file: Traversable) -> Migration:
    number, script = int(file.name[:4]), file.read_text(encoding="utf-8")
    return Migration(
        number=number,
        name=file.name.removesuffix(".sql"),
        script=script,
        compatible_from=declared_compatible_from(number, script),
    )


async def migrate(url: str, *, folder: Traversable | None = None) -> list[str]:
    """Apply every migration that the database lacks; return their names.

    Args:
        url: the database.
        folder: where the migrations are; Hive's own if None.

    Raises:
        SchemaMismatchError: the schema is newer than Hive.
        ConfigurationError: the server refuses us or is too old, or we may not make the schema.
        StoreUnavailableError: there is no server at `url`.
    """
    connection = await connect(url)
    try:
        with translated(url):
            await connection.execute(
                "select pg_advisory_lock($1)", ADVISORY_LOCK, timeout=LONGEST_STEP_SECONDS
            )
            found, steps = await read_schema(connection), migrations(folder)
            if found.number > steps[-1].number:
                found.refuse(steps[-1].number)
            return await apply(connection, [m for m in steps if m.number > found.number])
    finally:
        await connection.close()


async def check_schema(connection: Connection) -> Schema:
    """Return which schema the database has, if this Hive may work with it.

    Raises:
        SchemaMismatchError: the database has no schema, an older one, or one that is too new.
    """
    found = await read_schema(connection)
    found.refuse(LATEST)
    return found


async def read_schema(connection: Connection) -> Schema:
    """Return which schema the database has, whether or not this Hive may work with it."""
    if await connection.fetchval("select to_regclass('hive.migration')") is None:
        return Schema(0, 0)
    [row] = await connection.fetch(statement("read_schema"))
    return Schema(row["number"], row["compatible_from"])


async def schema_number(connection: Connection) -> int:
    """Return the number of the last migration applied; 0 if Hive has never been here."""
    return (await read_schema(connection)).number


async def apply(connection: Connection, steps: Sequence[Migration]) -> list[str]:
    """Take the steps, each in one transaction; return their names. The caller has the lock."""
    return [await _apply(connection, step) for step in steps]


async def _apply(connection: Connection, migration: Migration) -> str:
    async with connection.transaction():
        await connection.execute(
            "create schema if not exists hive;"
            "create table if not exists hive.migration (number integer primary key,"
            " name text not null, applied_at timestamptz not null default clock_timestamp());"
            "alter table hive.migration add column if not exists compatible_from integer"
        )
        await connection.execute(migration.script, timeout=LONGEST_STEP_SECONDS)
        await connection.execute(
            "insert into hive.migration (number, name, compatible_from) values ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.compatible_from,
        )
    return migration.name
