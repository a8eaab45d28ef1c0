"""Submit tasks whose key may be busy: what becomes of the unfinished tasks of the same key.

It happens in the transaction of the submit, which has a lock on the keys, so that of two submits at
once one sees what the other did. Plain submits take no such lock: they only get in line.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from hive_contracts.errors import RefusedTaskError
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES
from hive_contracts.tasks import NewTask, WhenBusy
from hive_store.callers import Connection
from hive_store.statements import statement

__all__ = ["make_way", "wants_way"]

TRIES: Final = 100
PAUSE_SECONDS: Final = 0.02
"""Between two tries to cancel what another transaction holds: most last milliseconds."""


def wants_way(tasks: Sequence[NewTask]) -> bool:
    """Return whether a task asks for more than a place in line."""
    return any(task.when_busy != WhenBusy.WAIT for task in tasks)


async def make_way(connection: Connection, tasks: Sequence[NewTask]) -> list[TaskId]:
    """Call off what stands in the way of `tasks`; return those that still run, and shall stop.

    Raises:
        RefusedTaskError: a key is busy and its task is to be refused then, or two of the tasks
            would stand in each other's way.
    """
    wishes = {task.key: task.when_busy for task in tasks if task.when_busy != WhenBusy.WAIT}
    _refuse_rivals(tasks, wishes)
    await connection.fetch(statement("lock_keys"), list(wishes))
    waiting: list[TaskId] = []
    unfinished: list[TaskId] = []
    for row in await connection.fetch(statement("find_busy_keys"), list(wishes)):
        wish = wishes[row["key"]]
        if wish == WhenBusy.REJECT:
            raise RefusedTaskError(
                f"the key {row['key']!r} is busy: task {row['id']} has it and has not ended."
                " Wait for it, or say another when_busy: wait, replace or cancel"
            )
        (unfinished if wish == WhenBusy.CANCEL else waiting).append(TaskId(row["id"]))
    # What has been leased since it was seen is waited for, and not called off.
    rows = await connection.fetch(statement("lock_waiting_tasks"), waiting)
    return await _cancel(connection, [*unfinished, *(TaskId(row["id"]) for row in rows)])


def _refuse_rivals(tasks: Sequence[NewTask], wishes: dict[str | None, str]) -> None:
    counts = Counter(task.key for task in tasks if task.key in wishes)
    for key, count in counts.items():
        if count > 1:
            raise RefusedTaskError(
                f"{count} tasks of one submit have the key {key!r} and when_busy {wishes[key]!r}:"
                " only one of them could stay. Submit them one after another"
            )


async def _cancel(connection: Connection, task_ids: list[TaskId]) -> list[TaskId]:
    """Cancel tasks, also those that another transaction holds for a moment; return which run.

    Raises:
        RefusedTaskError: a transaction holds one of them for longer.
    """
    running: list[TaskId] = []
    left = set(task_ids)
    for _ in range(TRIES):
        rows = await connection.fetch(statement("cancel_tasks"), list(left), None)
        running += [row["id"] for row in rows if row["state"] not in TERMINAL_STATES]
        left -= {row["id"] for row in rows}
        states = await connection.fetch(statement("read_states"), list(left))
        left = {row["id"] for row in states if row["state"] not in TERMINAL_STATES}
        if not left:
            return running
        await asyncio.sleep(PAUSE_SECONDS)
    raise RefusedTaskError(
        f"task {min(left)}, which it is to take the place of, is held by an open transaction:"
        " submit it again when that has ended"
    )
