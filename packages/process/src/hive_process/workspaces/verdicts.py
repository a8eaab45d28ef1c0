"""What becomes of a workspace when an attempt has ended, and what the result says of it."""

from dataclasses import replace
from typing import Any, Final, NamedTuple

from hive_contracts.outcomes import (
    Asked,
    Failed,
    Outcome,
    OverBudget,
    Parked,
    Released,
    Silent,
    Succeeded,
    TimedOut,
)
from hive_contracts.workspaces import Workspace, WorkspaceState
from hive_process.workspaces.spec import WorkspaceSpec

__all__ = ["Changes", "verdict", "with_workspace"]

REASON_CHARACTERS: Final = 200


class Changes(NamedTuple):
    """What a task has changed of a repository."""

    is_changed: bool
    """Whether it did; also if nobody can tell."""

    files: int | None
    """In how many files; None where nobody can tell, or there is no repository."""


def verdict(
    spec: WorkspaceSpec, outcome: Outcome, *, changed: Changes, is_final: bool
) -> tuple[WorkspaceState, str | None, bool]:
    """Return what becomes of a workspace, why, and whether the next attempt goes on in it.

    Args:
        spec: what the task asked for.
        outcome: how the attempt ended.
        changed: what was changed of a repository.
        is_final: whether the task has failed with this attempt.
    """
    # Without in_place each attempt begins anew, but for one in the workspace of another task.
    is_needed_again = not is_final and (spec.in_place or spec.kind == "same")
    match outcome:
        case Parked(reason=why) | Asked(question=why):
            return WorkspaceState.KEPT, why[:REASON_CHARACTERS], True
        case Succeeded():
            return _of_success(spec, changed=changed)
        case Released() if spec.in_place or spec.kind == "same":
            # What is there is not this attempt's alone, and the next one needs it.
            return WorkspaceState.KEPT, outcome.reason[:REASON_CHARACTERS], spec.in_place
        case Released():
            return WorkspaceState.REMOVED, "its attempt was given back", False
        case _ if spec.keep == "never" and not is_needed_again:
            return WorkspaceState.REMOVED, "its task did not succeed", False
        case _:
            return WorkspaceState.KEPT, _why(outcome)[:REASON_CHARACTERS], spec.in_place


def _of_success(
    spec: WorkspaceSpec, *, changed: Changes
) -> tuple[WorkspaceState, str | None, bool]:
    if changed.is_changed and spec.keep != "never":
        return WorkspaceState.REVIEW, None, False
    if spec.keep == "always":
        return WorkspaceState.KEPT, None, False
    return WorkspaceState.REMOVED, "its task succeeded", False


def _why(outcome: Outcome) -> str:
    match outcome:
        case Failed():
            return outcome.error
        case TimedOut():
            return outcome.reason or "it timed out"
        case Silent():
            return "it was silent for too long"
        case OverBudget():
            return outcome.reason
        case _:
            return "its attempt was called off"


def with_workspace(outcome: Outcome, workspace: Workspace, changed: Changes) -> Outcome:
    """Return an outcome whose result says where the work is, if it has a result."""
    if not isinstance(outcome, Succeeded | Failed | TimedOut | Silent | OverBudget):
        return outcome
    result: Any = outcome.result
    if not isinstance(result, dict):
        return outcome
    told: dict[str, Any] = {"state": str(workspace.state), "path": workspace.path}
    if workspace.branch is not None:
        told |= {"branch": workspace.branch, "files_changed": changed.files}
    return replace(outcome, result={**result, "workspace": told})
