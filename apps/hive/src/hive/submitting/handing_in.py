"""Queue one task for `hive submit`, and wait for it if that is wanted."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hive.durations import show_seconds
from hive.printing import say, show, show_json
from hive.settings import Settings
from hive.tasks.exit_codes import exit_code_of
from hive.tasks.kinds import KindCheck
from hive.tasks.reaching import open_reach
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask
from hive_store.task_store import EndedTask

__all__ = ["Order", "hand_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What `hive submit` was asked for."""

    task: NewTask
    is_forced: bool
    is_waiting: bool
    as_json: bool


async def hand_in(settings: Settings, order: Order) -> int:
    """Queue the task and print its id, then perhaps its result; return the exit code.

    Raises:
        UnknownKindError: the kind is not installed here, and that was not to be forced.
        MalformedPayloadError: its kind refuses the payload.
        RefusedTaskError: it may not be submitted as it stands.
    """
    task = order.task
    KindCheck(is_forced=order.is_forced).check(task)
    async with open_reach(settings) as reach:
        [(task_id, is_new)] = await reach.hive.hand_in([task])
        _tell_of_the_past(task)
        if not is_new:
            say(f"hive: nothing is added: task {task_id} has the unique key {task.unique_key!r}")
        if not order.is_waiting:
            _tell(task_id, is_new=is_new, as_json=order.as_json)
            return 0
        if not order.as_json:
            show(str(task_id))
        try:
            ended = await reach.hive.wait(task_id)
        except asyncio.CancelledError:
            say(f"\nhive: task {task_id} goes on; `hive show {task_id}` says how it does")
            raise
    show_json(_described(ended) if order.as_json else ended.result)
    if ended.error:
        say(f"hive: task {task_id} {ended.state}: {ended.error}")
    return exit_code_of(ended, is_command=task.kind == "command")


def _tell_of_the_past(task: NewTask) -> None:
    late_seconds = (datetime.now(UTC) - task.run_at).total_seconds() if task.run_at else 0.0
    # A delay of nothing is a moment that has just passed, and no surprise.
    if late_seconds >= 1:
        say(f"hive: --run-at was {show_seconds(late_seconds)} ago, so the task is due at once")


def _tell(task_id: TaskId, *, is_new: bool, as_json: bool) -> None:
    if as_json:
        show_json({"id": task_id, "is_new": is_new})
        return
    show(str(task_id))
    say(f"hive: see how it does with `hive show {task_id}`, its output with `hive logs {task_id}`")


def _described(ended: EndedTask) -> dict[str, Any]:
    return {
        "id": ended.id,
        "state": ended.state,
        "outcome": ended.outcome,
        "attempt": ended.attempt,
        "result": ended.result,
        "error": ended.error,
    }
