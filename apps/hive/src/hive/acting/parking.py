"""Set waiting tasks aside, let parked ones go on, and tell what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from hive.acting.sweep import Deed, Tally, sweep
from hive.endings import FAILED
from hive.moments import show_moment
from hive.printing import say, show_json
from hive.settings import Settings
from hive.tasks.reaching import Reach, open_reach
from hive.words import counted, some_of
from hive_contracts.ids import TaskId
from hive_contracts.states import Move, TaskState

__all__ = ["park_all", "unpark_all"]


async def park_all(
    settings: Settings,
    task_ids: Sequence[TaskId],
    *,
    until: datetime | None,
    reason: str | None,
    as_json: bool,
) -> int:
    """Park the tasks, and return the exit code: 0 if all of them were.

    Args:
        settings: which Hive.
        task_ids: the tasks.
        until: when they go on by themselves; None for only when they are unparked.
        reason: why.
        as_json: tell it as JSON, on standard output.
    """
    async with open_reach(settings) as reach:

        async def ask(batch: Sequence[TaskId]) -> Mapping[TaskId, TaskState]:
            parked = await reach.hive.park(*batch, until=until, reason=reason, insists=False)
            return dict.fromkeys(parked, TaskState.SCHEDULED)

        tally = await sweep(reach.view, Deed(Move.PARK, ask), task_ids)
    if as_json:
        show_json(_plain("parked", tally))
    else:
        end = "" if until is None else f" until {show_moment(until)}"
        say(f"hive: {_sentence(task_ids, tally, done=f'parked{end}', other='cannot be parked')}")
    return _code(tally)


async def unpark_all(
    settings: Settings, task_ids: Sequence[TaskId], *, is_strict: bool, as_json: bool
) -> int:
    """Let the tasks go on, and return the exit code: 0 if all of them do.

    Args:
        settings: which Hive.
        task_ids: the tasks.
        is_strict: whether one that is not parked is a failure; a filter finds others too.
        as_json: tell it as JSON, on standard output.
    """
    async with open_reach(settings) as reach:
        deed = Deed(Move.FALL_DUE, lambda batch: _unpark(reach, batch))
        tally = await sweep(reach.view, deed, task_ids)
    if not is_strict:
        tally.unfit.clear()
    if as_json:
        show_json(_plain("unparked", tally))
    else:
        say(f"hive: {_sentence(task_ids, tally, done='let go on', other='not parked')}")
    return _code(tally)


async def _unpark(reach: Reach, task_ids: Sequence[TaskId]) -> Mapping[TaskId, TaskState]:
    return await reach.hive.unpark(*task_ids, insists=False)


def _code(tally: Tally) -> int:
    return FAILED if tally.unfit or tally.unknown or tally.held else 0


def _plain(done: str, tally: Tally) -> dict[str, object]:
    return {
        done: tally.done.total(),
        "refused": tally.unfit,
        "not_found": tally.unknown,
        "held": tally.held,
    }


def _sentence(task_ids: Sequence[TaskId], tally: Tally, *, done: str, other: str) -> str:
    if len(task_ids) != 1:
        parts = ", ".join(_parts(tally, done=done, other=other)) or "none is left"
        return f"of {counted(len(task_ids), 'task')}, {parts}"
    [task_id] = task_ids
    if tally.done:
        return f"task {task_id} is {done}"
    if tally.unfit:
        return f"task {task_id} is {next(iter(tally.unfit))}: {other}"
    return tally.why_left(task_id)


def _parts(tally: Tally, *, done: str, other: str) -> Iterator[str]:
    if count := tally.done.total():
        yield f"{count:,} {done}"
    for state, ids in sorted(tally.unfit.items()):
        yield f"{len(ids):,} {state}, {other} ({some_of(ids)})"
    yield from tally.left()
