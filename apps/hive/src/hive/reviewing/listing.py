"""The workspaces that there are, of all machines."""

from collections.abc import Mapping
from dataclasses import asdict

from hive.durations import show_roughly
from hive.printing import say, show, show_json
from hive.settings import Settings
from hive.tables import narrowed_lines
from hive.tasks.reaching import open_view
from hive.words import counted
from hive_contracts.workspaces import GONE_STATES, WorkspaceState
from hive_store.workspace_store import ListedWorkspace

__all__ = ["list_workspaces"]

HEADS = ("task", "state", "of task", "age", "host", "where", "why")
TEXTS = frozenset({"where", "why", "host"})


async def list_workspaces(settings: Settings, *, is_all: bool, as_json: bool) -> None:
    """Print them, newest first; with those that are gone if `is_all`."""
    states = None if is_all else [state for state in WorkspaceState if state not in GONE_STATES]
    async with open_view(settings) as view:
        found = await view.workspaces.list(states=states)
    if as_json:
        show_json([_plain(each) for each in found])
        return
    if not found:
        say("hive: no task has left a workspace")
        return
    for line in narrowed_lines(
        HEADS, [_row(each) for each in found], texts=TEXTS, numbers={"task"}
    ):
        show(line)
    waiting = sum(each.workspace.state is WorkspaceState.REVIEW for each in found)
    if waiting:
        say(
            f"hive: {counted(waiting, 'waits', 'wait')} for review: `hive diff ID`, then"
            " `hive accept ID` or `hive reject ID -m WHY`"
        )


def _row(each: ListedWorkspace) -> list[str]:
    workspace = each.workspace
    return [
        str(workspace.task_id),
        str(workspace.state),
        "" if each.task_state is None else str(each.task_state),
        show_roughly(each.age_seconds),
        workspace.host,
        workspace.branch or workspace.path,
        workspace.reason or "",
    ]


def _plain(each: ListedWorkspace) -> Mapping[str, object]:
    return asdict(each.workspace) | {
        "task_state": each.task_state,
        "age_seconds": each.age_seconds,
    }
