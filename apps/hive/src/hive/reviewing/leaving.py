"""What a task has left in its workspace, and what to do about it, as its result says it."""

from typing import Any, cast

from hive.words import counted
from hive_contracts.workspaces import WorkspaceState
from hive_store.task_store import EndedTask

__all__ = ["what_is_left"]


def what_is_left(ended: EndedTask) -> str | None:
    """Return in words what a task has left; None if nothing."""
    said = _said(_said(ended.result).get("workspace"))
    task, files = ended.id, said.get("files_changed")
    if said.get("state") == WorkspaceState.REVIEW:
        what = "a repository" if files is None else counted(files, "file")
        return (
            f"it has changed {what}; review: hive diff {task} | hive accept {task} |"
            f" hive reject {task} -m WHY"
        )
    if said.get("state") == WorkspaceState.KEPT:
        return f"its workspace is kept: hive ws open {task}"
    return None


def _said(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
