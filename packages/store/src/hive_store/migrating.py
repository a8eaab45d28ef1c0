"""Bring a database's schema to the one this Hive was made for.

Migrations are numbered, go forward only, and are one transaction each. An advisory lock makes any
number of programs that start at once migrate one after another; the second finds nothing to do.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from hive_contracts.errors import SchemaMismatchError
from hive_store.connecting import Connection, connect, translated

__all__ = ["LATEST", "check_schema", "migrate", "schema_number"]

LATEST: Final = 2
"""Number of the schema that this Hive works with: that of the last file of `migrations/`."""

ADVISORY_LOCK: Final = 0x48495645
"""`HIVE` in ASCII; a number that nobody else is likely to lock."""

OLDEST_SERVER: Final = 150000
"""Postgres 15, as `server_version_num` says it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step."""

    number: int
    name: str
    script: str


def _migrations() -> list[Migration]:
    folder = files("hive_store").joinpath("migrations")
    scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [
        Migration(int(f.name[:4]), f.name.removesuffix(".sql"), f.read_text(encoding="utf-8"))
        for f in scripts
    ]


async def migrate(url: str) -> list[str]:
    """Apply every migration that the database lacks; return their names.

    Raises:
        SchemaMismatchError: the server is older than Postgres 15, or the schema newer than Hive.
        ConfigurationError: the server refuses us, or we may not make the schema.
        StoreUnavailableError: there is no server at `url`.
    """
    connection = await connect(url)
    try:
        _check_server(connection)
        with translated(url):
            await connection.execute("select pg_advisory_lock($1)", ADVISORY_LOCK)
            found = await schema_number(connection)
            _refuse_newer(found)
            return [await _apply(connection, m) for m in _migrations() if m.number > found]
    finally:
        await connection.close()


async def check_schema(connection: Connection) -> None:
    """Refuse to work on a schema that is not ours.

    Raises:
        SchemaMismatchError: the database has no schema, an older one, or a newer one.
    """
    found = await schema_number(connection)
    _refuse_newer(found)
    if found < LATEST:
        raise SchemaMismatchError(
            f"the database has schema {found} of Hive, this Hive needs {LATEST}; run `hive migrate`"
        )


async def schema_number(connection: Connection) -> int:
    """Return the number of the last migration applied; 0 if Hive has never been here."""
    if await connection.fetchval("select to_regclass('hive.migration')") is None:
        return 0
    return await connection.fetchval("select coalesce(max(number), 0) from hive.migration") or 0


async def _apply(connection: Connection, migration: Migration) -> str:
    async with connection.transaction():
        await connection.execute(
            "create schema if not exists hive;"
            "create table if not exists hive.migration (number integer primary key,"
            " name text not null, applied_at timestamptz not null default clock_timestamp())"
        )
        await connection.execute(migration.script)
        await connection.execute(
            "insert into hive.migration (number, name) values ($1, $2)",
            migration.number,
            migration.name,
        )
    return migration.name


def _check_server(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major * 10000 < OLDEST_SERVER:
        raise SchemaMismatchError(
            f"the server is Postgres {version.major}.{version.minor}; Hive needs 15 or later"
        )


def _refuse_newer(found: int) -> None:
    if found > LATEST:
        raise SchemaMismatchError(
            f"the database has schema {found} of Hive, newer than this Hive's {LATEST};"
            " upgrade Hive on this machine"
        )
