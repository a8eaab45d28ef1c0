"""Call tasks off, and tell what came of it."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from hive.acting.order import Order
from hive.acting.sweep import Deed, Sweep, Tally, sweep
from hive.endings import FAILED
from hive.printing import say, show_json
from hive.settings import Settings
from hive.tasks.outages import outlast
from hive.tasks.reaching import Reach, open_reach
from hive.words import counted, some_of
from hive_contracts.ids import TaskId
from hive_contracts.states import Move, TaskState
from hive_store import deeds

__all__ = ["call_off", "cancel_all"]


async def call_off(reach: Reach, task_ids: Sequence[TaskId]) -> None:
    """Call tasks off that somebody watches; return once each that has not ended was told.

    Outlives a Postgres that is away. A task that another transaction holds is asked again.
    """
    rest = task_ids
    while rest:
        tally = await outlast(partial(_tell, reach, rest))
        rest = tally.held


async def cancel_all(
    settings: Settings,
    task_ids: Sequence[TaskId],
    order: Order,
    *,
    reason: str | None,
    is_waiting: bool,
) -> int:
    """Call the tasks off, and return the exit code: 0 if nothing of them will run any more.

    Args:
        settings: which Hive.
        task_ids: the tasks.
        order: how they were chosen, and how it is told.
        reason: why, for people who look at them.
        is_waiting: whether to return only when nothing of them runs.
    """
    async with open_reach(settings) as reach:
        # Before the deed, which may be interrupted.
        await reach.view.record(_written(order, task_ids, reason))
        tally = await sweep(reach.view, _deed(reach, reason), task_ids)
        if not order.as_json:
            say(f"hive: {_sentence(task_ids, tally, is_waiting=is_waiting)}")
        ends = await _wait(reach, tally.stopping, as_json=order.as_json) if is_waiting else None
    if order.as_json:
        show_json(_plain(tally) | ({} if ends is None else {"ended_as": ends}))
    return FAILED if tally.unknown or tally.held else 0


def _deed(reach: Reach, reason: str | None = None) -> Deed:
    return Deed(Move.CANCEL, lambda batch: reach.hive.cancel(*batch, reason=reason, insists=False))


def _written(order: Order, task_ids: Sequence[TaskId], reason: str | None) -> deeds.Deed:
    target = some_of(task_ids) if order.filter.is_empty else str(order.filter)
    details = {"tasks": len(task_ids)} | ({} if reason is None else {"reason": reason})
    return deeds.Deed(actor=deeds.myself(), what="cancel", target=target, details=details)


async def _tell(reach: Reach, task_ids: Sequence[TaskId]) -> Tally:
    return await Sweep(reach.view, _deed(reach)).take_all(task_ids)


async def _wait(reach: Reach, stopping: Sequence[TaskId], *, as_json: bool) -> Counter[TaskState]:
    ends: Counter[TaskState] = Counter()
    try:
        async for ended in reach.hive.as_completed(stopping):
            ends[ended.state] += 1
            if not as_json and ended.state is not TaskState.CANCELLED:
                say(f"hive: task {ended.id} {ended.state} before it could be stopped")
    except asyncio.CancelledError:
        where = f"hive show {stopping[0]}" if len(stopping) == 1 else "hive list"
        say(f"\nhive: being stopped all the same; `{where}` says when nothing runs any more")
        raise
    if stopping and not as_json:
        say(f"hive: nothing of {'it' if len(stopping) == 1 else 'them'} runs any more")
    return ends


def _plain(tally: Tally) -> dict[str, object]:
    return {
        "cancelled": tally.done[TaskState.CANCELLED],
        "asked_to_stop": len(tally.stopping),
        "had_ended": {state: len(ids) for state, ids in tally.unfit.items()},
        "not_found": tally.unknown,
        "held": tally.held,
    }


def _sentence(task_ids: Sequence[TaskId], tally: Tally, *, is_waiting: bool) -> str:
    if len(task_ids) == 1:
        return _sentence_of_one(task_ids[0], tally, is_waiting=is_waiting)
    return f"of {counted(len(task_ids), 'task')}, {', '.join(_parts(tally)) or 'none is left'}"


def _sentence_of_one(task_id: TaskId, tally: Tally, *, is_waiting: bool) -> str:
    if tally.stopping:
        how = "" if is_waiting else f"; wait for its end with `hive cancel {task_id} --wait`"
        return f"task {task_id} has been asked to stop{how}"
    if tally.done:
        return f"task {task_id} is cancelled, and has nothing that runs"
    if tally.unfit:
        return f"task {task_id} had ended already: {next(iter(tally.unfit))}"
    return tally.why_left(task_id)


def _parts(tally: Tally) -> Iterator[str]:
    if cancelled := tally.done[TaskState.CANCELLED]:
        yield f"{cancelled:,} cancelled"
    if tally.stopping:
        yield f"{len(tally.stopping):,} asked to stop"
    if ended := sum(map(len, tally.unfit.values())):
        yield f"{ended:,} had ended already"
    yield from tally.left()
