"""The workspace of a task, in the hands of this command for as long as it looks at it."""

import shlex
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hive.tasks.reaching import View
from hive_contracts.errors import BusyWorkspaceError, UnknownTaskError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES
from hive_contracts.workspaces import GONE_STATES, Workspace, WorkspaceState
from hive_process.workspaces.git import Git
from hive_process.workspaces.programs import ChildPrograms
from hive_process.workspaces.yard import About, Yard

__all__ = ["Held", "find", "held", "refuse_unfinished", "yard_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A workspace that nobody else can change now."""

    workspace: Workspace
    """As Postgres has it."""

    about: About
    """As this machine has it."""

    yard: Yard

    @property
    def git(self) -> Git:
        """Git in it."""
        return Git(self.yard.programs, Path(self.workspace.path))


async def find(view: View, task_id: TaskId) -> Workspace:
    """Return the workspace of a task.

    Raises:
        UsageError: it has none, or none any more.
        UnknownTaskError: there is no such task.
    """
    found = await view.workspaces.find(task_id)
    if found is None:
        if not await view.tasks.read_many([task_id]):
            raise UnknownTaskError(task_id)
        raise UsageError(
            f"task {task_id} has no workspace; give one with `hive run --workspace fresh` or"
            " `hive run --repo PATH`"
        )
    if found.state in GONE_STATES:
        why = f": {found.reason}" if found.reason else ""
        raise UsageError(f"the workspace of task {task_id} is {found.state}{why}")
    return found


@asynccontextmanager
async def held(view: View, task_id: TaskId) -> AsyncGenerator[Held]:
    """Give the workspace of a task, on the machine where it is.

    Raises:
        UsageError: there is none, or it is on another machine; the message says on which.
        BusyWorkspaceError: a task works in it, or somebody else has it in hand.
    """
    found = await find(view, task_id)
    yard = yard_of(found)
    lock = yard.lock(found.id)
    if lock is None:
        raise BusyWorkspaceError(_by_whom(found))
    try:
        # Who had it in hand a moment ago may have settled it.
        found = await find(view, task_id)
        about = yard.read(found.id)
        if about is None or not yard.has(found.id):
            raise UsageError(f"{found.path} is not there any more")
        yield Held(workspace=found, about=about, yard=yard)
    finally:
        lock.let_go()


def _by_whom(workspace: Workspace) -> str:
    if workspace.state is WorkspaceState.IN_USE:
        return (
            f"task {workspace.task_id} works in {workspace.path}; see"
            f" `hive logs -f {workspace.task_id}`"
        )
    return (
        f"somebody else has the workspace of task {workspace.task_id} in hand; see what comes of it"
        " with `hive ws list --all`, and try again"
    )


async def refuse_unfinished(view: View, workspace: Workspace) -> None:
    """Refuse a workspace whose task has not ended: it is set aside, or is tried again there.

    Raises:
        UsageError: it has not, and is still kept; the message says how it stands.
    """
    for record in await view.tasks.read_many([workspace.task_id]):
        if record.state not in TERMINAL_STATES:
            raise UsageError(
                f"task {record.id} is {record.state}, and may go on in its workspace; wait until"
                f" it has ended, or cancel it first: `hive cancel {record.id}`"
            )


def yard_of(workspace: Workspace) -> Yard:
    """Return the yard of a workspace, if it is on this machine.

    Raises:
        UsageError: it is not.
    """
    root = Path(workspace.path).parent
    if workspace.host != socket.gethostname() or not root.is_dir():
        again = shlex.join(["hive", *sys.argv[1:]])
        raise UsageError(
            f"the workspace is on {workspace.host}, in {workspace.path}; run it there:"
            f" ssh {workspace.host} {again}"
        )
    yard = Yard(root, ChildPrograms())
    yard.prepare()
    return yard
