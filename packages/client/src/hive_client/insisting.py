"""Ask again for tasks that another transaction holds, until each has answered.

Whatever writes to a task holds its row for a moment, and who acts on tasks steps over those that
are held, so that nobody waits for anybody. A caller who names a task means it all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from typing import Final, TypeAlias

from hive_contracts.clocks import BootClock
from hive_contracts.errors import HeldTaskError
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_store import TaskStore

__all__ = ["Ask", "Find", "in_states", "insist"]

PATIENCE_SECONDS: Final = 10.0
FIRST_PAUSE_SECONDS: Final = 0.01
LONGEST_PAUSE_SECONDS: Final = 0.2

Ask: TypeAlias = Callable[[Sequence[TaskId]], Awaitable[Mapping[TaskId, TaskState]]]
"""Does something to tasks; returns those it was done to, with the state each is in now."""


Find: TypeAlias = Callable[[Sequence[TaskId]], Awaitable[Set[TaskId]]]
"""Returns to which of the tasks it could be done now."""


def in_states(tasks: TaskStore, states: Set[TaskState]) -> Find:
    """Have found what is in one of `states`."""

    async def find(task_ids: Sequence[TaskId]) -> set[TaskId]:
        found = await tasks.states(task_ids)
        return {task_id for task_id, state in found.items() if state in states}

    return find


async def insist(
    ask: Ask, task_ids: Sequence[TaskId], *, open_to_it: Find
) -> dict[TaskId, TaskState]:
    """Do it to all of the tasks that it can be done to; return these as `ask` does.

    Args:
        ask: what to do.
        task_ids: the tasks.
        open_to_it: finds to which it could be done; one to which it was not can only be held.

    Raises:
        HeldTaskError: another transaction held some of them all the time.
    """
    clock = BootClock()
    give_up_at, pause = clock.seconds() + PATIENCE_SECONDS, FIRST_PAUSE_SECONDS
    done = dict(await ask(task_ids))
    while rest := [task_id for task_id in task_ids if task_id not in done]:
        open_ones = await open_to_it(rest)
        held = [task_id for task_id in rest if task_id in open_ones]
        if not held:
            break
        if clock.seconds() > give_up_at:
            raise HeldTaskError(held)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        done |= await ask(held)
    return done
