"""New tasks on their way into the store: how many go in one statement, and which one.

However many there are, all are added or none. Few go in one statement, which is its own
transaction. Many go in several within one transaction: one statement for 100,000 tasks of 1 KB made
the client 430 MB larger, and one for more than 1 GB is refused by Postgres. While Postgres works on
one, the next is made, if nothing in it depends on how that one went.
"""

import asyncio
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, Final, NamedTuple

import asyncpg

from hive_contracts.errors import RefusedTaskError, SchemaMismatchError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.sealing import Sealer
from hive_contracts.tasks import NewTask, default_max_attempts
from hive_store.callers import Connection, transaction_on
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
"""Few, so that most are made while Postgres works: 10.4 µs a task instead of 12.4 with 10,000."""

BOUND_BATCH_TASKS: Final = 10_000
"""As many as go at once if they are bound to one another. Those that come after one by its name are
made when that has its id. Unique keys are taken in their order within a statement alone: submits
that have the same ones in more than one each may wait for one another, for a second."""

BATCH_BYTES: Final = 8 * 1024 * 1024
"""A batch is full with it too; the task that is one too many is still taken."""

PARENT_BYTES: Final = 12
"""What a task that another comes after adds to the size of a batch."""

MOST_NAMED: Final = 10
TRIES: Final = 5
OTHERS_SUBMIT: Final = (
    "others submit tasks with the same unique keys all the time; submit once more"
)
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
            async with transaction_on(connection):
                called_off = await make_way(connection, tasks) if wants_way(tasks) else []
                await _hold_parents(connection, children)
                return await _send_batches(connection, tasks), called_off
    raise RefusedTaskError(OTHERS_SUBMIT)


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
    are_bound = any(task.name is not None or task.unique_key is not None for task in tasks)
    at_most = BOUND_BATCH_TASKS if are_bound else BATCH_TASKS
    names = Names(tasks)
    batches = batches_of(tasks, names, at_most=at_most)
    first = next(batches, None)
    if first is None:
        return []
    if first.is_last:
        return await _send_batch(connection, first, names)
    batches = chain([first], batches)
    for _ in range(TRIES):
        # Of two submits that wait for one another's unique keys, Postgres ends one; the other is in
        # then, and its tasks are found.
        with suppress(asyncpg.DeadlockDetectedError):
            async with transaction_on(connection):
                return await _send_each(connection, batches, names, looks_ahead=not are_bound)
        names = Names(tasks)
        batches = batches_of(tasks, names, at_most=at_most)
    raise RefusedTaskError(OTHERS_SUBMIT)


async def _send_each(
    connection: Connection, batches: Iterator[Batch], names: Names, *, looks_ahead: bool
) -> list[Any]:
    """Send batches one after another; if `looks_ahead`, make each while the one before is sent."""
    rows: list[Any] = []
    made: list[Batch | None] = []
    errors: list[Exception] = []

    def make() -> None:
        try:
            made.append(next(batches, None))
        except Exception as error:  # noqa: BLE001 - raised once what comes before it is sent
            errors.append(error)

    make()
    while True:
        if errors:
            raise errors.pop()
        batch = made.pop()
        if batch is None:
            return rows
        ahead = asyncio.get_running_loop().call_soon(make) if looks_ahead else None
        rows += await _send_batch(connection, batch, names)
        if not made and not errors:
            if ahead is not None:
                ahead.cancel()
            make()


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


def batches_of(
    tasks: Sequence[NewTask], names: Names, *, at_most: int = BATCH_TASKS
) -> Iterator[Batch]:
    """Cut `tasks` into batches of so many at most, each made when it is asked for.

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
        if len(payloads) == at_most or size_bytes >= BATCH_BYTES or is_last:
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
