"""New tasks on their way into the store: which are refused, and how many go in one statement.

However many there are, all are added or none. Few go in one statement, which is its own
transaction. Many go in several within one transaction: one statement for 100,000 tasks of 1 KB made
the client 430 MB larger, and one for more than 1 GB is refused by Postgres.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from numbers import Integral
from types import NoneType
from typing import Any, Final, Protocol, TypeAlias

import asyncpg

from hive_contracts.errors import (
    RefusedTaskError,
    SchemaMismatchError,
    UnstorableValueError,
    UsageError,
)
from hive_contracts.limits import oversize
from hive_contracts.tasks import NewTask, default_max_attempts
from hive_contracts.wire import encode_json
from hive_store.columns import none_if_null, one_if_alike
from hive_store.connecting import translated
from hive_store.statements import statement

__all__ = [
    "HELD_UNTIL",
    "Connection",
    "batches_of",
    "checked_payload",
    "send_batches",
    "sent_by_caller",
]

BATCH_TASKS: Final = 10_000
BATCH_BYTES: Final = 8 * 1024 * 1024
"""A batch is full with either; the task that is one too many for it is still taken."""

NAME: Final = re.compile(r"[^\s\x00\ud800-\udfff]{1,200}")
LEAST_URGENT: Final = 32767
MOST_TIMES: Final = 1_000_000
LATEST_RUN_AT: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Far ahead of any plan, and before what asyncpg takes for infinity."""

HELD_UNTIL: Final = LATEST_RUN_AT
"""For when a task is scheduled that is held back until somebody releases it."""

FIELD_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "kind": ((str,), "text"),
    "queue": ((str,), "text"),
    "priority": ((Integral,), "a whole number"),
    "run_at": ((datetime, NoneType), "a datetime"),
    "max_attempts": ((Integral, NoneType), "a whole number"),
    "max_losses": ((Integral,), "a whole number"),
    "timeout": ((timedelta, NoneType), "a timedelta"),
    "group": ((str, NoneType), "text"),
}
"""What the fields of a new task must be, in types and in words."""

Batch: TypeAlias = Sequence[Sequence[object]]
"""The arguments of `submit_tasks.sql`: one list for each column."""


class Connection(Protocol):
    """What a submit needs of a connection: asyncpg's own has it, and what its pools give out."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        """Send a statement, and return its rows."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Return a transaction, or within one a savepoint, to be entered."""
        ...

    def is_in_transaction(self) -> bool:
        """Return whether a transaction is open."""
        ...


async def send_batches(connection: Connection, batches: Iterator[Batch]) -> list[Any]:
    """Add what is in `batches`, all or none; return the rows of all their statements."""
    first, second = next(batches, None), next(batches, None)
    if first is None:
        return []
    if second is None:
        return list(await connection.fetch(statement("submit_tasks"), *first))
    async with connection.transaction():
        rows = [
            *await connection.fetch(statement("submit_tasks"), *first),
            *await connection.fetch(statement("submit_tasks"), *second),
        ]
        for batch in batches:
            rows += await connection.fetch(statement("submit_tasks"), *batch)
    return rows


async def sent_by_caller(connection: Connection, batches: Iterator[Batch]) -> list[Any]:
    """Add what is in `batches` within the transaction that is open on somebody else's connection.

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
            return await send_batches(connection, batches)
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
            yield _columns(tasks[begin : place + 1], payloads)
            payloads, begin, size_bytes = [], place + 1, 0


def _columns(tasks: Sequence[NewTask], payloads: Sequence[str]) -> Batch:
    return (
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


def checked_payload(task: NewTask) -> str:
    """Return a task's payload as JSON.

    Raises:
        RefusedTaskError: it may not be submitted as it stands; the message names the field.
    """
    _check_types(task)
    for what, name in (("kind", task.kind), ("queue", task.queue), ("group", task.group)):
        if name is not None and not _is_name(name):
            raise RefusedTaskError(
                f"a {what} is 1 to 200 characters without white space, not {name!r}"
            )
    if not 0 <= task.priority <= LEAST_URGENT:
        raise RefusedTaskError(
            f"a priority is from 0 (most urgent) to {LEAST_URGENT} (least), not {task.priority}"
        )
    _check_limits(task)
    try:
        payload = encode_json(task.payload)
    except UnstorableValueError as error:
        raise RefusedTaskError(f"the payload of a {task.kind} task: {error}") from error
    if excess := oversize(payload):
        raise RefusedTaskError(
            f"the payload {excess}. Put it into a file, and the file's path into the payload"
        )
    return payload


def _check_types(task: NewTask) -> None:
    field = _misfit(
        type(task.kind),
        type(task.queue),
        type(task.priority),
        type(task.run_at),
        type(task.max_attempts),
        type(task.max_losses),
        type(task.timeout),
        type(task.group),
    )
    if field is not None:
        raise RefusedTaskError(f"{field} is {FIELD_TYPES[field][1]}, not {getattr(task, field)!r}")


@cache
def _misfit(*types: type) -> str | None:
    """Return the first of `FIELD_TYPES` whose type, each in its place, is not what it must be.

    Remembered, as tasks that are submitted together are alike: 0.1 µs where the tests take 1.8.
    """
    for given, (field, (wanted, _)) in zip(types, FIELD_TYPES.items(), strict=True):
        # For Python, True is a whole number.
        if given is bool or not issubclass(given, wanted):
            return field
    return None


@lru_cache
def _is_name(name: str) -> bool:
    # Remembered, as few names come again and again: that pays for the test of types.
    return NAME.fullmatch(name) is not None


def _check_limits(task: NewTask) -> None:
    if task.max_attempts is not None and not 1 <= task.max_attempts <= MOST_TIMES:
        raise RefusedTaskError(f"max_attempts is from 1 to {MOST_TIMES:,}, not {task.max_attempts}")
    if not 0 <= task.max_losses <= MOST_TIMES:
        raise RefusedTaskError(f"max_losses is from 0 to {MOST_TIMES:,}, not {task.max_losses}")
    if task.timeout is not None and task.timeout <= timedelta(0):
        raise RefusedTaskError(
            f"a timeout is longer than nothing, not {task.timeout.total_seconds():g} s;"
            " leave it out for no limit"
        )
    if task.run_at is None:
        return
    if task.run_at.tzinfo is None:
        raise RefusedTaskError(f"run_at needs a time zone: {task.run_at.isoformat()}")
    if task.run_at > LATEST_RUN_AT:
        raise RefusedTaskError(
            f"run_at is before {LATEST_RUN_AT:%Y-%m-%d}, not {task.run_at.isoformat()}"
        )
