"""A shell in the workspace of a task."""

import os
import sys
from pathlib import Path

from hive.printing import say, show
from hive.reviewing.finding import find, yard_of
from hive.settings import Settings
from hive.standard_input import is_terminal
from hive.tasks.reaching import open_view
from hive_contracts.ids import TaskId
from hive_contracts.workspaces import Workspace

__all__ = ["find_here", "open_shell"]


async def find_here(settings: Settings, task_id: TaskId) -> Workspace:
    """Return the workspace of a task.

    Raises:
        UsageError: there is none, or it is on another machine; the message says on which.
    """
    async with open_view(settings) as view:
        workspace = await find(view, task_id)
    yard_of(workspace)
    return workspace


def open_shell(workspace: Workspace, *, prints: bool) -> None:
    """Become the user's shell, in the workspace; or print its path, also where nobody types."""
    if prints or not (is_terminal() and sys.stdout.isatty()):
        show(workspace.path)
        return
    shell = os.environ.get("SHELL") or "/bin/sh"
    say(f"hive: {shell} in {workspace.path}; `exit` leads back")
    os.chdir(workspace.path)
    told = {"HIVE_TASK_ID": str(workspace.task_id), "HIVE_WORKSPACE": workspace.path}
    os.execve(shell, [Path(shell).name], {**os.environ, **told})  # noqa: S606 - the user's own
