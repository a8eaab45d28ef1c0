"""Write tasks and all that belongs to them as lines of JSON, while queens and workers go on.

One transaction reads everything as it was at one moment. Rows are read and written in small
portions, so that the memory it takes does not grow with the tables, but for 16 bytes a task.
"""

import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_store.backing_up import COPY_SETTINGS
from hive_store.connecting import Connection, connect, say_farewell, translated
from hive_store.interchange import END, HEAD, TABLES, VERSION, Ids
from hive_store.line import Row
from hive_store.migrating import ADVISORY_LOCK, LONGEST_STEP_SECONDS, check_schema
from hive_store.statements import statement

__all__ = ["ExportProgress", "Exported", "export_tasks"]

FIRST_PORTION: Final = 20
LARGEST_PORTION: Final = 500
PORTION_BYTES: Final = 4 << 20
"""How many rows are read at a time, ever more while none is large: one may have some MiB."""

PIECE_BYTES: Final = 1 << 18
TOLD_EACH: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportProgress:
    """How far an export or an import is."""

    type: str
    count: int
    """Records of this type, so far."""

    tasks: int
    """How many tasks there are in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export holds."""

    made_at: datetime
    """By the database's clock: what was committed later is not in it."""

    counts: dict[str, int]
    """Records by type."""


class _Writer:
    """Gathers lines, and hands them on in pieces."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._lines: list[str] = []
        self._size = 0

    async def add(self, type_: str, row: str) -> None:
        line = f'{{"type":"{type_}","version":{VERSION},"row":{row}}}\n'
        self._lines.append(line)
        self._size += len(line)
        if self._size >= PIECE_BYTES:
            await self.flush()

    async def flush(self) -> None:
        if self._lines:
            await self._write("".join(self._lines).encode())
        self._lines, self._size = [], 0


async def export_tasks(
    url: str,
    selection: Selection,
    *,
    task_ids: list[TaskId] | None = None,
    write: Callable[[bytes], Awaitable[None]],
    on_progress: Callable[[ExportProgress], None],
) -> Exported:
    """Write the tasks that fit, their attempts, output and events; return how many.

    Args:
        url: the database.
        selection: which tasks.
        task_ids: of these alone; None for any.
        write: takes the text, piece by piece.
        on_progress: called as records are written.

    Raises:
        ConfigurationError: the server refuses us.
        SchemaMismatchError: the schema is not this Hive's.
        StoreUnavailableError: Postgres did not answer.
    """
    connection = await connect(url, settings=COPY_SETTINGS | {"application_name": "hive export"})
    try:
        with translated(url):
            await connection.execute(
                "select pg_advisory_lock_shared($1)", ADVISORY_LOCK, timeout=LONGEST_STEP_SECONDS
            )
            schema = (await check_schema(connection)).number
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await _Export(
                    connection, selection, task_ids, _Writer(write), on_progress
                ).run(schema)
    finally:
        await say_farewell(connection)


class _Export:
    def __init__(
        self,
        connection: Connection,
        selection: Selection,
        task_ids: list[TaskId] | None,
        writer: _Writer,
        on_progress: Callable[[ExportProgress], None],
    ) -> None:
        self._connection = connection
        self._terms = (
            sorted(selection.states) or None,
            selection.queue,
            selection.kind,
            selection.group,
            selection.created_from,
            selection.created_before,
            task_ids,
            selection.key,
        )
        self._takes_all = all(term is None for term in self._terms)
        self._writer = writer
        self._on_progress = on_progress
        self._ids = Ids()
        self._counts = dict.fromkeys(TABLES, 0)
        self._tasks = 0

    async def run(self, schema: int) -> Exported:
        [size] = await self._connection.fetch(
            statement("measure_export"), *self._terms, timeout=LONGEST_STEP_SECONDS
        )
        self._tasks = size["tasks"]
        await self._writer.add(HEAD, await self._head(schema, size))
        async for row in self._rows("export_tasks", *self._terms):
            self._ids.add([row["task_id"]], [row["task_id"]])
            await self._add("task", row["row"])
        wanted = None if self._takes_all else self._ids.all()
        parts = {
            "dependency": self._rows("export_dependencies", wanted),
            "attempt": self._rows("export_attempts", wanted),
            "question": self._rows("export_questions", wanted),
            "spending": self._rows("export_spending", wanted),
            "output": self._rows("export_output", wanted),
        }
        for type_, rows in parts.items():
            async for row in rows:
                if self._ids.find(row["task_id"]) is not None:
                    await self._add(type_, _output(row) if type_ == "output" else row["row"])
        async for row in self._rows("export_events", wanted):
            if (event := self._event(row)) is not None:
                await self._add("event", event)
        await self._writer.add(END, json.dumps(self._counts))
        await self._writer.flush()
        return Exported(made_at=size["made_at"], counts=self._counts)

    async def _head(self, schema: int, size: Row) -> str:
        tables = {
            row["name"]: row["columns"]
            for row in await self._connection.fetch(statement("list_saved_tables"))
        }
        days = await self._connection.fetch(statement("list_event_days"))
        head = {
            "schema": schema,
            "made_at": size["made_at"].isoformat(),
            "tasks": size["tasks"],
            "first_id": size["first_id"],
            "last_id": size["last_id"],
            "columns": {name: _exported_columns(name, tables.get(name, [])) for name in TABLES},
            "event_days": [row["day"].isoformat() for row in days],
        }
        return json.dumps(head)

    async def _rows(self, name: str, *arguments: object) -> AsyncGenerator[Row]:
        cursor = await self._connection.cursor(
            statement(name), *arguments, timeout=LONGEST_STEP_SECONDS
        )
        portion, largest_bytes = FIRST_PORTION, 1
        while rows := await cursor.fetch(portion, timeout=LONGEST_STEP_SECONDS):
            for row in rows:
                largest_bytes = max(largest_bytes, len(row["row"]) + len(row.get("data") or b""))
                yield row
            portion = max(1, min(2 * portion, LARGEST_PORTION, PORTION_BYTES // largest_bytes))

    async def _add(self, type_: str, row: str) -> None:
        self._counts[type_] += 1
        await self._writer.add(type_, row)
        if self._counts[type_] % TOLD_EACH == 0:
            self._on_progress(
                ExportProgress(type=type_, count=self._counts[type_], tasks=self._tasks)
            )

    def _event(self, row: Row) -> str | None:
        """Return an event as far as it is of tasks that are exported; None if it is of none."""
        if row["task_ids"] is None:
            return None if self._ids.find(row["task_id"]) is None else row["row"]
        kept = [task_id for task_id in row["task_ids"] if self._ids.find(task_id) is not None]
        if len(kept) == len(row["task_ids"]):
            return row["row"]
        return json.dumps(json.loads(row["row"]) | {"task_ids": kept}) if kept else None


def _exported_columns(table: str, columns: list[str]) -> list[str]:
    # An event's number is the log's own; bytes have the name of how they are written.
    left_out = {"event": "id", "output": "data"}.get(table)
    return [column for column in columns if column != left_out]


def _output(row: Row) -> str:
    data: bytes = row["data"]
    try:
        said: dict[str, Any] = {"text": data.decode()}
    except UnicodeDecodeError:
        said = {"base64": base64.b64encode(data).decode()}
    return f"{row['row'][:-1]},{json.dumps(said, ensure_ascii=False)[1:]}"
