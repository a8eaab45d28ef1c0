"""Remove workspaces: here at once, elsewhere by a worker of the machine that has them."""

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from hive.acting_for import actor_of
from hive.confirming import confirm
from hive.printing import say, show_json
from hive.reviewing.finding import find, refuse_unfinished, yard_of
from hive.settings import Settings
from hive.tasks.reaching import View, open_view
from hive.words import counted, some_of
from hive_contracts.errors import UsageError
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES
from hive_contracts.workspaces import LEFT_STATES, Workspace, WorkspaceState
from hive_store.deeds import Deed

__all__ = ["CleanOrder", "clean"]

CLEANABLE = (*LEFT_STATES, WorkspaceState.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanOrder:
    """Which are to go."""

    task_ids: Sequence[TaskId] = ()
    older_than: timedelta | None = None
    """All that were left so long ago, and wait for no review."""

    with_review: bool = False
    """Those that wait for review as well."""

    is_agreed: bool = False
    as_json: bool = False


async def clean(settings: Settings, order: CleanOrder) -> None:
    """Remove what is meant, and tell what came of it.

    Raises:
        UsageError: nothing is meant, or a person does not want it after all.
    """
    if bool(order.task_ids) is (order.older_than is not None):
        raise UsageError("say which: the ids of tasks, or --older-than, as in --older-than 1d")
    async with open_view(settings) as view:
        meant = await _meant(view, order)
        if not meant:
            say("hive: nothing to clean")
            return
        names = some_of([each.task_id for each in meant])
        confirm(
            f"remove {counted(len(meant), 'workspace')} ({names}) with what is not committed",
            is_agreed=order.is_agreed,
        )
        tally = Counter[str]()
        for workspace in meant:
            tally[await _clean(view, workspace)] += 1
        deed = Deed(
            actor=actor_of(settings),
            what="clean workspaces",
            details={"tasks": [each.id for each in meant]},
        )
        await view.record(deed)
    if order.as_json:
        show_json({"removed": tally["removed"], "later": tally["later"], "left": tally["left"]})
        return
    say(f"hive: {_sentence(tally)}")


async def _meant(view: View, order: CleanOrder) -> list[Workspace]:
    if order.older_than is None:
        return [await _named(view, task_id) for task_id in order.task_ids]
    states = [WorkspaceState.KEPT, *([WorkspaceState.REVIEW] if order.with_review else [])]
    return [
        each.workspace
        for each in await view.workspaces.list(states=states)
        if each.age_seconds >= order.older_than.total_seconds()
        and (each.task_state is None or each.task_state in TERMINAL_STATES)
    ]


async def _named(view: View, task_id: TaskId) -> Workspace:
    workspace = await find(view, task_id)
    if workspace.state not in CLEANABLE:
        raise UsageError(
            f"the workspace of task {task_id} is {workspace.state.in_words}; cancel its task first:"
            f" `hive cancel {workspace.task_id}`"
        )
    # On a machine that is gone it would wait for ever: without it, its task begins anew.
    if workspace.host == socket.gethostname():
        await refuse_unfinished(view, workspace)
    return workspace


async def _clean(view: View, workspace: Workspace) -> str:
    if workspace.host != socket.gethostname():
        is_settled = await view.workspaces.settle(workspace, WorkspaceState.UNWANTED)
        return "later" if is_settled else "left"
    yard = yard_of(workspace)
    lock = yard.lock(workspace.id)
    if lock is None:
        return "left"
    try:
        reason = "it was cleaned up"
        if not await view.workspaces.settle(workspace, WorkspaceState.REMOVED, reason=reason):
            return "left"
        await yard.remove(workspace.id)
        await asyncio.to_thread(yard.sweep)
    finally:
        lock.let_go()
    return "removed"


def _sentence(tally: Counter[str]) -> str:
    parts = [
        f"removed {counted(tally['removed'], 'workspace')}",
        *([f"{tally['later']} go soon, on their machines"] if tally["later"] else []),
        *([f"{tally['left']} left: somebody works there"] if tally["left"] else []),
    ]
    return "; ".join(parts)
