"""Take over what a task has changed, and clean up behind it."""

import asyncio
from dataclasses import dataclass

from hive.acting_for import actor_of
from hive.printing import say, show_json
from hive.reviewing.finding import Held, held, refuse_unfinished
from hive.settings import Settings
from hive.tasks.reaching import View, open_view
from hive.words import counted
from hive_contracts.errors import UsageError
from hive_contracts.ids import TaskId
from hive_contracts.workspaces import LEFT_STATES, WorkspaceState
from hive_process.workspaces.accepting import Accepted, Way, accept
from hive_store.deeds import Deed

__all__ = ["Wish", "accept_work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How it is to be taken over."""

    way: str
    into: str | None
    message: str | None
    keeps: bool
    """Whether the workspace stays."""


async def accept_work(settings: Settings, task_id: TaskId, wish: Wish, *, as_json: bool) -> None:
    """Take over the work of a task; print what came of it.

    Raises:
        UsageError: it cannot be; the message says why, and nothing was done.
    """
    async with open_view(settings) as view, held(view, task_id) as found:
        _refuse_unless_left(found)
        await refuse_unfinished(view, found.workspace)
        message = wish.message or f"Task {found.workspace.task_id} of Hive"
        done = await accept(
            found.yard, found.about, way=Way(wish.way), into=wish.into, message=message
        )
        await _settle(view, found, done, settings=settings, keeps=wish.keeps)
    if as_json:
        show_json(
            {"task_id": task_id, "files": done.files, "into": done.where, "commit": done.commit}
        )
        return
    say(f"hive: {_sentence(task_id, done)}")


def _refuse_unless_left(found: Held) -> None:
    workspace = found.workspace
    if workspace.state is WorkspaceState.REJECTED:
        raise UsageError(
            f"it was rejected ({workspace.reason}), and another task is to go on in it: see"
            " `hive ws list`"
        )
    if workspace.state not in LEFT_STATES:
        raise UsageError(
            f"task {workspace.task_id} is not done with it: `hive show {workspace.task_id}`"
        )


async def _settle(
    view: View, found: Held, done: Accepted, *, settings: Settings, keeps: bool
) -> None:
    workspace = found.workspace
    if keeps:
        await view.workspaces.settle(workspace, WorkspaceState.KEPT, reason="it was accepted")
    else:
        reason = f"its changes are in {done.where}"
        if await view.workspaces.settle(workspace, WorkspaceState.ACCEPTED, reason=reason):
            await found.yard.remove(workspace.id, with_branch=True)
            await asyncio.to_thread(found.yard.sweep)
        else:
            say(
                f"hive: meanwhile somebody has rejected task {workspace.task_id}: its workspace"
                " stays, and what goes on in it can be accepted as well"
            )
    details = {"into": done.where, "commit": done.commit, "files": done.files}
    target = f"task {workspace.task_id}"
    await view.record(Deed(actor=actor_of(settings), what="accept", target=target, details=details))


def _sentence(task_id: TaskId, done: Accepted) -> str:
    files = counted(done.files, "file")
    if done.commit is None:
        return f"task {task_id}: {files} changed in {done.where}, not committed"
    return f"task {task_id}: {files} changed in {done.where}, now {done.commit[:12]}"
