"""New tasks on their way into the store: how many go in one statement, and which one.

However many there are, all are added or none. Few go in one statement, which is its own
transaction. Many go in several within one transaction: one statement for 100,000 tasks of 1 KB made
the client 430 MB larger, and one for more than 1 GB is refused by Postgres. While Postgres works on
one, the next is made.
"""

import asyncio
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import asyncpg

from hive_contracts.errors import RefusedTaskError, SchemaMismatchError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.sealing import Sealer
from hive_contracts.tasks import NewTask, default_max_attempts
from hive_store.callers import Connection
from hive_store.columns import none_if_null, one_if_alike
from hive_store.conditions import Names, conditions_of, has_conditions
from hive_store.connecting import translated
from hive_store.making_way import make_way, wants_way
from hive_store.refusing import LATEST_RUN_AT, Form, checked_form, checked_payload, payload_of
from hive_store.statements import statement
from hive_store.task_ids import possible_ids

__all__ = [
    "HELD_UNTIL",
    "Batch",
    "Connection",
    "batches_of",
    "sealed",
    "send",
    "sent_by_caller",
]

BATCH_TASKS: Final = 2000
BATCH_BYTES: Final = 8 * 1024 * 1024
"""A batch is full with either; the task that is one too many for it is still taken."""

PARENT_BYTES: Final = 12
"""What a task that another comes after adds to the size of a batch."""

MOST_NAMED: Final = 10
TRIES: Final = 5
SMALLER_IDS: Final = "a_task_comes_only_after_tasks_with_smaller_ids"

HELD_UNTIL: Final = LATEST_RUN_AT
"""For when a task is scheduled that is held back until somebody releases it."""


class Batch(NamedTuple):
    """Tasks that go in one statement."""

    statement: str
    columns: Sequence[Sequence[object]]
    """Its arguments: one list for each column."""

    is_last: bool


async def send(connection: Connection, tasks: Sequence[NewTask]) -> tuple[list[Any], list[TaskId]]:
    """Add tasks, all or none; return the rows of all statements, and what shall stop for them.

    Raises:
        RefusedTaskError: a task may not be submitted as it stands; the message says why.
    """
    children = [task for task in tasks if task.after]
    if not children and not wants_way(tasks):
        return await _send_batches(connection, tasks), []
    for task in tasks if wants_way(tasks) else children:
        checked_payload(task)
    for _ in range(TRIES):
        # Somebody else may add, at this moment, the unique task that another is to come after, with
        # the larger id of the two. Once more, with ids that are larger still, and it comes first.
        with _passing_over_larger_ids():
            async with connection.transaction():
                called_off = await make_way(connection, tasks) if wants_way(tasks) else []
                await _hold_parents(connection, children)
                return await _send_batches(connection, tasks), called_off
    raise RefusedTaskError(
        "others submit tasks with the same unique keys all the time; submit once more"
    )


@contextmanager
def _passing_over_larger_ids() -> Generator[None]:
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != SMALLER_IDS:
            raise


async def _hold_parents(connection: Connection, children: Sequence[NewTask]) -> None:
    """See that the tasks are there that others come after, and stay there until the commit."""
    parents = {TaskId(i) for child in children for i in child.after if not isinstance(i, str)}
    if not parents:
        return
    possible = possible_ids(sorted(parents))
    rows = await connection.fetch(statement("hold_parents"), possible)
    unknown = sorted({row["id"] for row in rows} | parents.difference(possible))
    if unknown:
        named = ", ".join(map(str, unknown[:MOST_NAMED])) + (
            ", ..." if unknown[MOST_NAMED:] else ""
        )
        raise RefusedTaskError(
            f"there is no task {named} to come after; a task comes after those that are submitted"
        )


async def _send_batches(connection: Connection, tasks: Sequence[NewTask]) -> list[Any]:
    names = Names(tasks)
    batches = batches_of(tasks, names)
    first = next(batches, None)
    if first is None:
        return []
    if first.is_last:
        return await _send_batch(connection, first, names)
    # What comes after a task by its name needs the id that it gets with its batch.
    is_named = any(task.name is not None for task in tasks)
    rows: list[Any] = []
    batch: Batch | None = first
    async with connection.transaction():
        while batch is not None:
            following = None if is_named else _made_meanwhile(batches)
            rows += await _send_batch(connection, batch, names)
            batch = next(batches, None) if following is None else await following
    return rows


def _made_meanwhile(batches: Iterator[Batch]) -> "asyncio.Future[Batch | None]":
    """Have the next batch made as soon as whoever asks awaits something else; None if none is."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[Batch | None] = loop.create_future()

    def make() -> None:
        try:
            made.set_result(next(batches, None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the batch is awaited
            made.set_exception(error)
            # Nobody awaits it if the batch before it fails.
            made.exception()

    loop.call_soon(make)
    return made


async def _send_batch(connection: Connection, batch: Batch, names: Names) -> list[Any]:
    rows = list(await connection.fetch(statement(batch.statement), *batch.columns))
    names.batch_is_in(rows[0]["ids"])
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


def sealed(task: NewTask, sealer: Sealer) -> NewTask:
    """Return a task as it is to be stored.

    Raises:
        RefusedTaskError: it may not be submitted as it stands; the message says why.
    """
    # Looked at before, when it can be said what is wrong with it, and once more as it is stored.
    checked_payload(task)
    return sealer.sealed(task)


def batches_of(tasks: Sequence[NewTask], names: Names) -> Iterator[Batch]:
    """Cut `tasks` into batches, each made when it is asked for.

    Raises:
        RefusedTaskError: a task may not be submitted as it stands; the message says why.
    """
    payloads: list[str] = []
    begin = size_bytes = alike_since = 0
    checked: Form | None = None
    for place, task in enumerate(tasks):
        form = checked_form(task, checked)
        if form is not checked:
            checked, alike_since = form, place
        payloads.append(payload_of(task))
        size_bytes += len(payloads[-1]) + PARENT_BYTES * len(task.after)
        is_last = place == len(tasks) - 1
        if len(payloads) == BATCH_TASKS or size_bytes >= BATCH_BYTES or is_last:
            is_alike = alike_since <= begin and task.name is None and not has_conditions(task)
            batch = [task] if is_alike else tasks[begin : place + 1]
            yield _batch(batch, payloads, names, is_last=is_last)
            payloads, begin, size_bytes = [], place + 1, 0


def _batch(
    tasks: Sequence[NewTask], payloads: Sequence[str], names: Names, *, is_last: bool
) -> Batch:
    # One that stands for all may be given alone.
    times = len(payloads) // len(tasks)
    columns = (
        one_if_alike([task.kind for task in tasks]),
        payloads,
        one_if_alike([task.queue for task in tasks]),
        one_if_alike([task.priority for task in tasks]),
        none_if_null([task.run_at for task in tasks]) * times,
        one_if_alike(
            [task.max_attempts or default_max_attempts(task.kind, task.retry) for task in tasks]
        ),
        one_if_alike([task.max_losses for task in tasks]),
        none_if_null([task.timeout for task in tasks]) * times,
        none_if_null([task.group for task in tasks]) * times,
    )
    conditions: list[str | None] = []
    for place, task in enumerate(tasks, start=1):
        # In this order: a task does not come after itself.
        conditions.append(conditions_of(task, names))
        if task.name is not None:
            names.give(task.name, place)
    if conditions := none_if_null(conditions):
        return Batch("submit_conditional_tasks", (*columns, conditions), is_last)
    return Batch("submit_tasks", columns, is_last)
