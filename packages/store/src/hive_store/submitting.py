"""New tasks on their way into the store: how many go in one statement, and which one.

However many there are, all are added or none. Few go in one statement, which is its own
transaction. Many go in several within one transaction: one statement for 100,000 tasks of 1 KB made
the client 430 MB larger, and one for more than 1 GB is refused by Postgres.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from hive_contracts.errors import SchemaMismatchError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask, default_max_attempts
from hive_store.callers import Connection
from hive_store.columns import none_if_null, one_if_alike
from hive_store.conditions import conditions_of
from hive_store.connecting import translated
from hive_store.making_way import make_way, wants_way
from hive_store.refusing import LATEST_RUN_AT, checked_payload
from hive_store.statements import statement

__all__ = [
    "HELD_UNTIL",
    "Batch",
    "Connection",
    "batches_of",
    "send",
    "sent_by_caller",
]

BATCH_TASKS: Final = 10_000
BATCH_BYTES: Final = 8 * 1024 * 1024
"""A batch is full with either; the task that is one too many for it is still taken."""

HELD_UNTIL: Final = LATEST_RUN_AT
"""For when a task is scheduled that is held back until somebody releases it."""


class Batch(NamedTuple):
    """Tasks that go in one statement."""

    statement: str
    columns: Sequence[Sequence[object]]
    """Its arguments: one list for each column."""


async def send(connection: Connection, tasks: Sequence[NewTask]) -> tuple[list[Any], list[TaskId]]:
    """Add tasks, all or none; return the rows of all statements, and what shall stop for them.

    Raises:
        RefusedTaskError: a task may not be submitted as it stands; the message says why.
    """
    if not wants_way(tasks):
        return await _send_batches(connection, batches_of(tasks)), []
    for task in tasks:
        checked_payload(task)
    async with connection.transaction():
        called_off = await make_way(connection, tasks)
        return await _send_batches(connection, batches_of(tasks)), called_off


async def _send_batches(connection: Connection, batches: Iterator[Batch]) -> list[Any]:
    first, second = next(batches, None), next(batches, None)
    if first is None:
        return []
    if second is None:
        return list(await connection.fetch(statement(first.statement), *first.columns))
    async with connection.transaction():
        rows = [
            *await connection.fetch(statement(first.statement), *first.columns),
            *await connection.fetch(statement(second.statement), *second.columns),
        ]
        for batch in batches:
            rows += await connection.fetch(statement(batch.statement), *batch.columns)
    return rows


async def sent_by_caller(connection: Connection, tasks: Sequence[NewTask]) -> list[Any]:
    """Add tasks within the transaction that is open on somebody else's connection.

    Raises:
        UsageError: no transaction is open there.
        SchemaMismatchError: its database has no Hive, or one that this Hive does not understand.
    """
    if not connection.is_in_transaction():
        raise UsageError(
            "no transaction is open on the connection: submit within"
            " `async with connection.transaction():`, or without the connection"
        )
    try:
        with translated():
            rows, _ = await send(connection, tasks)
            return rows
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise SchemaMismatchError(
            f"the connection's database has no schema of this Hive ({error});"
            " connect to the database that Hive uses, or run `hive migrate`"
        ) from error


def batches_of(tasks: Sequence[NewTask]) -> Iterator[Batch]:
    """Cut `tasks` into batches, each made when it is asked for.

    Raises:
        RefusedTaskError: a task may not be submitted as it stands; the message says why.
    """
    payloads: list[str] = []
    begin = size_bytes = 0
    for place, task in enumerate(tasks):
        payloads.append(checked_payload(task))
        size_bytes += len(payloads[-1])
        if len(payloads) == BATCH_TASKS or size_bytes >= BATCH_BYTES or place == len(tasks) - 1:
            yield _batch(tasks[begin : place + 1], payloads)
            payloads, begin, size_bytes = [], place + 1, 0


def _batch(tasks: Sequence[NewTask], payloads: Sequence[str]) -> Batch:
    columns = (
        one_if_alike([task.kind for task in tasks]),
        payloads,
        one_if_alike([task.queue for task in tasks]),
        one_if_alike([task.priority for task in tasks]),
        none_if_null([task.run_at for task in tasks]),
        one_if_alike([task.max_attempts or default_max_attempts(task.kind) for task in tasks]),
        one_if_alike([task.max_losses for task in tasks]),
        none_if_null([task.timeout for task in tasks]),
        none_if_null([task.group for task in tasks]),
    )
    conditions = none_if_null([conditions_of(task) for task in tasks])
    if not conditions:
        return Batch("submit_tasks", columns)
    return Batch("submit_conditional_tasks", (*columns, conditions))
