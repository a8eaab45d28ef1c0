"""Workspaces in Postgres: where they are, and what is to become of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.workspaces import Workspace, WorkspaceState
from hive_store.line import Line, Row
from hive_store.texts import storable_text

if TYPE_CHECKING:
    from hive_contracts.leased import Task

__all__ = ["ListedWorkspace", "WorkspaceNotes", "WorkspaceStore"]


class ListedWorkspace(NamedTuple):
    """A workspace, and how its task stands."""

    workspace: Workspace
    task_state: TaskState | None
    """Of the task that worked in it last; None if that is not kept any more."""

    age_seconds: float
    """Since its state last changed."""


class WorkspaceStore:
    """Workspaces over a line, as people look at them and settle them."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def find(self, task_id: TaskId) -> Workspace | None:
        """Return the workspace that was made for a task, or else the one that it worked in."""
        rows = await self._line.fetch("read_workspace", task_id)
        return _workspace(rows[0]) if rows else None

    async def list(
        self, *, host: str | None = None, states: Sequence[WorkspaceState] | None = None
    ) -> list[ListedWorkspace]:
        """Return workspaces, newest first: of one host or all, in some states or any."""
        wanted = None if states is None else list(states)
        return [
            ListedWorkspace(
                _workspace(row),
                None if row["task_state"] is None else TaskState(row["task_state"]),
                row["age_seconds"],
            )
            for row in await self._line.fetch("list_workspaces", host, wanted)
        ]

    async def settle(
        self,
        workspace: Workspace,
        state: WorkspaceState,
        *,
        reason: str | None = None,
        seen_as: Sequence[WorkspaceState] = (),
    ) -> bool:
        """Say what becomes of a workspace; return False if its state is not what it was.

        Args:
            workspace: which, as it was seen.
            state: what it is from now on.
            reason: why, for a person.
            seen_as: the states that it may be in; none for the one that it was seen in.
        """
        states = list(seen_as or (workspace.state,))
        return bool(
            await self._line.fetch(
                "settle_workspace", workspace.id, states, state, _storable(reason)
            )
        )


class WorkspaceNotes(WorkspaceStore):
    """Workspaces as workers know them. Satisfies `hive_contracts.workspaces.WorkspaceLedger`."""

    async def note(self, task: "Task", workspace: Workspace) -> bool:
        """Write a workspace down under the lease of `task`; return False if that lease is gone."""
        rows = await self._line.fetch(
            "note_workspace",
            task.id,
            task.lease_id,
            workspace.id,
            workspace.host,
            workspace.path,
            workspace.kind,
            workspace.state,
            _storable(workspace.reason),
            workspace.resumes,
            workspace.repository,
            workspace.branch,
            workspace.base_branch,
            workspace.base_commit,
        )
        return bool(rows)

    async def of_parents(self, task_id: TaskId) -> Sequence[Workspace]:
        """Return the workspaces of the tasks that a task comes after, by their ids."""
        return [
            _workspace(row) for row in await self._line.fetch("read_parent_workspaces", task_id)
        ]

    async def forget(self) -> int:
        """Forget the workspaces that are gone with their tasks; return how many they were."""
        return await self._line.fetch_value("forget_workspaces")


def _storable(text: str | None) -> str | None:
    return None if text is None else storable_text(text)


def _workspace(row: Row) -> Workspace:
    return Workspace(
        id=TaskId(row["id"]),
        task_id=TaskId(row["task_id"]),
        host=row["host"],
        path=row["path"],
        kind=row["kind"],
        state=WorkspaceState(row["state"]),
        reason=row["reason"],
        resumes=row["resumes"],
        repository=row["repository"],
        branch=row["branch"],
        base_branch=row["base_branch"],
        base_commit=row["base_commit"],
        changed_at=row["changed_at"],
    )
