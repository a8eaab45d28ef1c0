"""Save everything that Hive keeps in Postgres as one file, while queens and workers go on.

One transaction reads every table as it was at one moment. It holds up nobody but migrations, and
while it lasts vacuum cannot remove what has died since. It speaks through the same connection as
everything else and not through `pg_dump`: that program refuses servers newer than itself, and the
one that comes with Hive's own Postgres knows no TLS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

from hive_contracts.errors import SchemaMismatchError
from hive_store.archive import Draft, new_backup
from hive_store.connecting import Connection, connect, say_farewell, translated
from hive_store.manifest import Manifest, SavedTable
from hive_store.migrating import ADVISORY_LOCK, LONGEST_STEP_SECONDS, read_schema
from hive_store.statements import statement

__all__ = ["COPY_SETTINGS", "CopyProgress", "back_up"]

COPY_SETTINGS: Final = {
    "application_name": "hive backup",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
}
"""For text that means the same wherever it is read, and for statements as long as their tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress:
    """How far a backup or a restore is."""

    table: str
    number: int
    """Of the table, from 1."""

    tables: int
    bytes: int
    """Of this table, so far."""


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    columns: tuple[str, ...]

    @property
    def column_list(self) -> str:
        return ", ".join(f'"{column}"' for column in self.columns)


async def back_up(url: str, path: Path, *, on_progress: Callable[[CopyProgress], None]) -> Manifest:
    """Save the database as the file `path`; return what is in it.

    Raises:
        ConfigurationError: the file cannot be written, or the server refuses us.
        SchemaMismatchError: Hive has never been in this database.
        StoreUnavailableError: Postgres did not answer.
    """
    connection = await connect(url, settings=COPY_SETTINGS)
    try:
        with translated(url), new_backup(path) as draft:
            # Shared: backups do not exclude one another, but the schema stays as it is.
            await connection.execute(
                "select pg_advisory_lock_shared($1)", ADVISORY_LOCK, timeout=LONGEST_STEP_SECONDS
            )
            schema = (await read_schema(connection)).number
            if schema == 0:
                raise SchemaMismatchError(
                    "the database has no schema of Hive; there is nothing to back up"
                )
            manifest = await _save(connection, draft, schema=schema, on_progress=on_progress)
            draft.seal(manifest)
            return manifest
    finally:
        await say_farewell(connection)


async def _save(
    connection: Connection,
    draft: Draft,
    *,
    schema: int,
    on_progress: Callable[[CopyProgress], None],
) -> Manifest:
    tables = await _tables(connection)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # Before the snapshot is taken, so that no partition goes between the two.
        names = ", ".join(f'hive."{table.name}"' for table in tables)
        await connection.execute(f"lock table {names} in access share mode")
        made_at: datetime = await connection.fetchval("select clock_timestamp()")
        days = await connection.fetch(statement("list_event_days"))
        saved = [
            await _save_table(
                connection, draft, table, number=n, tables=len(tables), on_progress=on_progress
            )
            for n, table in enumerate(tables, start=1)
        ]
    # Sequences know no transactions: read last, they are behind every row that was saved.
    sequences = await connection.fetch(statement("list_sequences"))
    return Manifest(
        made_at=made_at,
        schema=schema,
        server=await connection.fetchval("show server_version"),
        tables=tuple(saved),
        sequences={row["name"]: row["last_value"] for row in sequences},
        event_days=tuple(row["day"] for row in days),
    )


async def _tables(connection: Connection) -> Sequence[_Table]:
    """Return the tables to save, those that others refer to first."""
    rows = {row["name"]: row for row in await connection.fetch(statement("list_saved_tables"))}
    order = TopologicalSorter(
        {name: [other for other in row["refers_to"] if other in rows] for name, row in rows.items()}
    )
    return [_Table(name, tuple(rows[name]["columns"])) for name in order.static_order()]


async def _save_table(
    connection: Connection,
    draft: Draft,
    table: _Table,
    *,
    number: int,
    tables: int,
    on_progress: Callable[[CopyProgress], None],
) -> SavedTable:
    with draft.table(table.name) as member:

        async def write(data: bytes) -> None:
            await member.write(data)
            on_progress(
                CopyProgress(table=table.name, number=number, tables=tables, bytes=member.bytes)
            )

        query = f'select {table.column_list} from hive."{table.name}"'  # noqa: S608 - from the catalog
        status = await connection.copy_from_query(query, output=write, timeout=LONGEST_STEP_SECONDS)
    return SavedTable(
        name=table.name,
        columns=table.columns,
        rows=_row_count(status),
        bytes=member.bytes,
        sha256=member.sha256,
    )


def _row_count(status: str) -> int:
    """Return the number in `COPY 5`, as Postgres ends a copy."""
    return int(status.rpartition(" ")[2])
