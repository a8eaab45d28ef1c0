"""Bring an export into a Hive that may be at work: all of it in one transaction, or nothing.

Tasks keep their ids if this Hive has never given out one as high as the lowest of them; else all of
them get new ones, and so does whatever names them. What was leased when the export was made is
queued again or has failed, as after a restore. Events are told anew, with their old moments.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import asyncpg

from hive_contracts.errors import SchemaMismatchError
from hive_contracts.states import TaskState
from hive_store.backing_up import COPY_SETTINGS
from hive_store.connecting import Connection, connect, say_farewell, translated
from hive_store.deeds import Deed, deed_arguments
from hive_store.exporting import ExportProgress
from hive_store.import_lines import Head, Record, read_head, read_records, refuse
from hive_store.interchange import TABLES, Ids
from hive_store.migrating import (
    ADVISORY_LOCK,
    LATEST,
    LONGEST_STEP_SECONDS,
    check_schema,
)
from hive_store.statements import statement

__all__ = ["Imported", "import_tasks"]

BATCH: Final = 500
BATCH_CHARACTERS: Final = 4 << 20
LEASED: Final = ("dispatched", "running")

REFUSALS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
"""What Postgres says of a row that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import came to."""

    counts: Mapping[str, int]
    """Records by type."""

    ids: Ids
    """What became of the tasks' ids."""

    are_ids_kept: bool
    queued: int
    """How many tasks were leased when the export was made, and are queued again."""

    failed: int
    """How many of those had started and may never run again."""

    cancelled: int
    """How many of those were called off."""


async def import_tasks(
    url: str,
    lines: Iterable[bytes],
    *,
    renumbers: bool,
    deed: Deed,
    on_progress: Callable[[ExportProgress], None],
) -> Imported:
    """Bring the tasks of an export into the database.

    Args:
        url: the database.
        lines: of the file.
        renumbers: also if the tasks could keep their ids.
        deed: who does it, to be written down.
        on_progress: called as records arrive.

    Raises:
        ConfigurationError: a line is refused, or the server refuses us; nothing was imported.
        SchemaMismatchError: the schema is not this Hive's, or the file is of a newer Hive.
        StoreUnavailableError: Postgres did not answer.
    """
    source = iter(lines)
    head = read_head(source)
    if head.schema > LATEST:
        raise SchemaMismatchError(
            f"line 1: the export was made with schema {head.schema} of Hive, newer than this Hive's"
            f" {LATEST}; upgrade Hive on this machine"
        )
    connection = await connect(url, settings=COPY_SETTINGS | {"application_name": "hive import"})
    try:
        with translated(url):
            await connection.execute(
                "select pg_advisory_lock_shared($1)", ADVISORY_LOCK, timeout=LONGEST_STEP_SECONDS
            )
            await check_schema(connection)
            tables = await _tables(connection, head)
            for day in head.event_days:
                await connection.fetch(statement("create_event_day"), day)
            is_kept = not renumbers and await _reserve(connection, head)
            async with connection.transaction():
                return await _Import(connection, head, tables, is_kept, on_progress).run(
                    read_records(source, head), deed
                )
    finally:
        await say_farewell(connection)


async def _tables(connection: Connection, head: Head) -> dict[str, str]:
    """Return, by table, the statement that takes a batch of lines."""
    known = {
        row["name"]: frozenset(row["columns"])
        for row in await connection.fetch(statement("list_saved_tables"))
    }
    found: dict[str, str] = {}
    for table in TABLES:
        columns = head.columns.get(table, ())
        if odd := sorted(frozenset(columns) - known[table]):
            refuse(1, f"this Hive's {table} has no column {', '.join(odd)}")
        found[table] = _insert(table, columns)
    return found


def _insert(table: str, columns: Sequence[str]) -> str:
    """Return a statement; the columns are the catalog's, and what a file lacks has its default."""
    names = [*columns, "data"] if table == "output" else columns
    listed = ", ".join(f'"{name}"' for name in names)
    # A payload is never absent: its null is JSON's.
    given = ", ".join(
        f"coalesce(r.{name}, 'null')" if name == "payload" else f'r."{name}"' for name in names
    )
    return (
        f"insert into hive.{table} ({listed}) overriding system value select {given}"  # noqa: S608 - see above
        " from unnest($1::text[], $2::text[]) as g (line, change),"
        f" lateral jsonb_populate_record(null::hive.{table},"
        " (g.line::jsonb -> 'row') || g.change::jsonb) as r"
    )


async def _reserve(connection: Connection, head: Head) -> bool:
    """Have the ids of the file given to nobody else; return whether they are all free."""
    if head.first_id is None or head.last_id is None:
        return True
    async with connection.transaction():
        if await connection.fetchval(statement("find_last_id")) >= head.first_id:
            return False
        # Whoever is submitting has taken an id; nobody is to between the look and the change.
        await connection.execute("set local lock_timeout = '200ms'")
        await connection.execute("lock table hive.task in share row exclusive mode")
        if await connection.fetchval(statement("find_last_id")) >= head.first_id:
            return False
        await connection.fetch(statement("set_sequence"), "task_id_seq", head.last_id)
    return True


class _Import:
    def __init__(
        self,
        connection: Connection,
        head: Head,
        tables: Mapping[str, str],
        is_kept: bool,
        on_progress: Callable[[ExportProgress], None],
    ) -> None:
        self._connection = connection
        self._head = head
        self._tables = tables
        self._is_kept = is_kept
        self._on_progress = on_progress
        self._ids = Ids()
        self._leased: list[int] = []
        self._gated: list[int] = []
        """Those that wait for others, by the ids that they have here."""

        self._keyed: list[int] = []
        """Those that wait for the turn of their key."""

        self._counts = dict.fromkeys(TABLES, 0)

    async def run(self, records: Iterator[Record], deed: Deed) -> Imported:
        while batch := await asyncio.to_thread(_batch, records):
            for table in TABLES:
                if part := [record for record in batch if record.type == table]:
                    await self._take(table, part)
        [row] = await self._connection.fetch(
            statement("settle_restored_tasks"), self._leased, "export", timeout=LONGEST_STEP_SECONDS
        )
        await self._connection.fetch(statement("wake_imported_tasks"), [*self._gated, *self._keyed])
        await self._connection.fetch(statement("record_deed"), *deed_arguments(deed))
        return Imported(
            counts=self._counts,
            ids=self._ids,
            are_ids_kept=self._is_kept,
            queued=row["queued"],
            failed=row["failed"],
            cancelled=row["cancelled"],
        )

    async def _take(self, table: str, records: Sequence[Record]) -> None:
        if table == "task":
            await self._number(records)
        elif table == "dependency":
            records = [record for record in records if self._is_between_tasks(record)]
        lines = [record.line for record in records]
        changes = [json.dumps(self._change(record)) for record in records]
        try:
            async with self._connection.transaction():
                await self._send(table, lines, changes)
        except REFUSALS:
            await self._find_culprit(table, records, changes)
            raise
        self._counts[table] += len(records)
        self._on_progress(
            ExportProgress(type=table, count=self._counts[table], tasks=self._head.tasks)
        )

    async def _number(self, records: Sequence[Record]) -> None:
        old = [record.task_id for record in records]
        above = self._ids.last
        for record, task_id in zip(records, old, strict=True):
            if task_id <= above:
                refuse(record.number, f"task {task_id} comes after task {above}; ids must rise")
            above = task_id
        if above > (self._head.last_id or 0) or old[0] < (self._head.first_id or 0):
            refuse(records[0].number, "its tasks are not those that the first line tells of")
        if self._is_kept:
            self._ids.add(old, old)
        else:
            taken = await self._connection.fetch(statement("take_ids"), len(old))
            self._ids.add(old, [row["id"] for row in taken])
        self._leased += [self._id(r, r.task_id) for r in records if r.row.get("state") in LEASED]
        self._gated += [
            self._id(r, r.task_id)
            for r in records
            if r.row.get("is_gated") and r.row.get("finished_at") is None
        ]
        self._keyed += [
            self._id(r, r.task_id)
            for r in records
            if r.row.get("has_turn") is False and r.row.get("state") == TaskState.BLOCKED
        ]

    def _is_between_tasks(self, record: Record) -> bool:
        """Return whether a dependency is on a task of the file; one that had ended may be gone."""
        if self._ids.find(record.parent_id) is not None:
            return True
        if self._id(record, record.task_id) in self._gated and (
            record.row.get("is_open") or record.row.get("is_fault")
        ):
            refuse(
                record.number,
                f"task {record.task_id} waits for task {record.parent_id}, which is not in the"
                " file; export both",
            )
        return False

    def _change(self, record: Record) -> dict[str, Any]:
        """Return the columns that name tasks, with the ids that these have here."""
        if record.type == "task":
            return {"id": self._id(record, record.task_id)}
        if record.type == "dependency":
            ends = {"child_id": record.task_id, "parent_id": record.parent_id}
            return {name: self._id(record, task_id) for name, task_id in ends.items()}
        if (listed := record.task_ids) is not None:
            return {"task_ids": [self._id(record, task_id) for task_id in listed]}
        return {"task_id": self._id(record, record.task_id)}

    def _id(self, record: Record, old: int) -> int:
        new = self._ids.find(old)
        if new is None:
            refuse(record.number, f"it names task {old}, which is not in the file")
        return new

    async def _send(self, table: str, lines: Sequence[str], changes: Sequence[str]) -> None:
        await self._connection.execute(
            self._tables[table], lines, changes, timeout=LONGEST_STEP_SECONDS
        )

    async def _find_culprit(
        self, table: str, records: Sequence[Record], changes: Sequence[str]
    ) -> None:
        """Send the records of a batch that was refused one by one, and name the first that is."""
        for record, change in zip(records, changes, strict=True):
            try:
                async with self._connection.transaction():
                    await self._send(table, [record.line], [change])
            except REFUSALS as error:
                refuse(record.number, " ".join(str(error).split()))


def _batch(records: Iterator[Record]) -> list[Record]:
    """Return the next records, few enough for one statement; none at the end."""
    batch: list[Record] = []
    size = 0
    for record in islice(records, BATCH):
        batch.append(record)
        size += len(record.line)
        if size >= BATCH_CHARACTERS:
            break
    return batch
