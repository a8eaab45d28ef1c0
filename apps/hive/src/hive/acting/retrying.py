"""Queue tasks once more that failed or were cancelled, and tell what came of it."""

from collections.abc import Iterator, Mapping, Sequence

from hive.acting.sweep import Deed, Tally, sweep
from hive.endings import FAILED
from hive.printing import say, show_json
from hive.settings import Settings
from hive.tasks.reaching import Reach, open_reach
from hive.words import counted, some_of
from hive_contracts.events import Event, EventFrame, EventType
from hive_contracts.ids import TaskId
from hive_contracts.states import Move, TaskState

__all__ = ["retry_all"]


async def retry_all(settings: Settings, task_ids: Sequence[TaskId], *, as_json: bool) -> int:
    """Queue the tasks again, and return the exit code: 0 if all of them were.

    Queens hear of it from Postgres, and whoever watches on the bus.
    """
    async with open_reach(settings) as reach:
        deed = Deed(Move.REVIVE, lambda batch: _revive(reach, batch))
        tally = await sweep(reach.view, deed, task_ids)
    if as_json:
        show_json(_plain(tally))
    else:
        say(f"hive: {_sentence(task_ids, tally)}")
    return FAILED if tally.unfit or tally.unknown or tally.held else 0


async def _revive(reach: Reach, task_ids: Sequence[TaskId]) -> Mapping[TaskId, TaskState]:
    revived = await reach.view.tasks.revive(task_ids)
    if reach.bus is not None and revived:
        reach.bus.tell(EventFrame((Event(type=EventType.REVIVED, task_ids=tuple(revived)),)))
    return dict.fromkeys(revived, TaskState.QUEUED)


def _plain(tally: Tally) -> dict[str, object]:
    return {
        "queued": tally.done[TaskState.QUEUED],
        "refused": tally.unfit,
        "not_found": tally.unknown,
        "held": tally.held,
    }


def _sentence(task_ids: Sequence[TaskId], tally: Tally) -> str:
    if len(task_ids) == 1:
        return _sentence_of_one(task_ids[0], tally)
    return f"of {counted(len(task_ids), 'task')}, {', '.join(_parts(tally)) or 'none is left'}"


def _sentence_of_one(task_id: TaskId, tally: Tally) -> str:
    if tally.done:
        return f"task {task_id} is queued again; see what it writes with `hive logs -f {task_id}`"
    if tally.unfit:
        state = next(iter(tally.unfit))
        return f"task {task_id} is not queued again: {_state_in_words(state)}"
    return tally.why_left(task_id)


def _state_in_words(state: TaskState) -> str:
    what = "it succeeded" if state is TaskState.SUCCEEDED else f"it is {state}"
    return f"{what}; only failed and cancelled tasks can be"


def _parts(tally: Tally) -> Iterator[str]:
    if queued := tally.done[TaskState.QUEUED]:
        yield f"{queued:,} queued again"
    for state, ids in sorted(tally.unfit.items()):
        yield f"{len(ids):,} {state}, and left so ({some_of(ids)})"
    yield from tally.left()
