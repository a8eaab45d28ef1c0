"""Call off all tasks that fit a selection, a thousand in a transaction, and count each outcome.

Tasks that another transaction holds at that moment are stepped over, so that nobody waits for
anybody, and asked again after all others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hive_client.insisting import Ask
from hive_contracts.errors import UsageError
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_store import Selector, TaskStore
from hive_store.deeds import Deed, myself, record_deed
from hive_store.selector import PAGE

__all__ = ["CalledOff", "call_off_all"]

MOST_ROUNDS: Final = 50
PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledOff:
    """What became of the tasks that fitted."""

    cancelled: int
    """So many waited, and are cancelled."""

    stopping: tuple[TaskId, ...]
    """These are leased, and were asked to stop."""

    ended: int
    """So many ended before they could be called off."""

    held: tuple[TaskId, ...]
    """These another transaction held all the time; ask again."""


async def call_off_all(
    tasks: TaskStore, selection: Selection, cancel: Ask, *, reason: str | None = None
) -> CalledOff:
    """Call off every unfinished task that fits, and write down who did it, and why.

    Raises:
        UsageError: the selection says nothing, or names a state that cannot be cancelled.
    """
    if selection == Selection():
        raise UsageError("say which tasks to cancel; a Selection of nothing fits all there are")
    if ended := sorted(selection.states & TERMINAL_STATES):
        raise UsageError(f"a {ended[0]} task cannot be cancelled any more")
    open_ones = selection.unfinished()
    found = [i async for page in Selector(tasks.line).pages_of_ids(open_ones) for i in page]
    details = {"tasks": len(found)} | ({} if reason is None else {"reason": reason})
    deed = Deed(actor=myself(), what="cancel", target=str(selection), details=details)
    # Before the deed, which may be interrupted.
    await record_deed(tasks.line, deed)
    return await _call_off(tasks, found, cancel)


async def _call_off(tasks: TaskStore, found: Sequence[TaskId], cancel: Ask) -> CalledOff:
    done: dict[TaskId, TaskState] = {}
    rest, ended = list(found), 0
    for _ in range(MOST_ROUNDS):
        asked, rest = rest, list[TaskId]()
        for at in range(0, len(asked), PAGE):
            batch = asked[at : at + PAGE]
            done |= await cancel(batch)
            left = [task_id for task_id in batch if task_id not in done]
            states = await tasks.states(left) if left else {}
            held = [i for i in left if states.get(i, TaskState.CANCELLED) not in TERMINAL_STATES]
            ended += len(left) - len(held)
            rest += held
        if not rest:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    return CalledOff(
        cancelled=sum(state is TaskState.CANCELLED for state in done.values()),
        stopping=tuple(i for i, state in done.items() if state is not TaskState.CANCELLED),
        ended=ended,
        held=tuple(rest),
    )
