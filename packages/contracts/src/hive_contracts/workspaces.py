"""Where a task works: a directory of its own on some machine, and what is to become of it.

    in_use ──▶ kept      something is in it that a person may want to see
       ▲   ──▶ review    it changed a repository, and waits for a yes or no
       │   ──▶ removed
       │
    rejected ◀── review, kept ──▶ accepted
                          └─────▶ unwanted ──▶ removed, by a worker of its machine

Files are the machine's own affair; what other machines must know is a `Workspace` in Postgres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Final, Protocol

from hive_contracts.ids import TaskId

if TYPE_CHECKING:
    from hive_contracts.leased import Task

__all__ = ["GONE_STATES", "LEFT_STATES", "Workspace", "WorkspaceLedger", "WorkspaceState"]


@unique
class WorkspaceState(StrEnum):
    """What a workspace is there for."""

    IN_USE = "in_use"
    """A task works in it, or its worker died while one did."""

    KEPT = "kept"
    """Its task has ended, and somebody may want to look."""

    REVIEW = "review"
    """Its task has succeeded, and what it changed waits to be accepted or rejected."""

    REJECTED = "rejected"
    """Another task is to go on in it."""

    UNWANTED = "unwanted"
    """It is to be removed where it is."""

    ACCEPTED = "accepted"
    """What it held was taken over; it is gone."""

    REMOVED = "removed"
    """It is gone."""

    @property
    def in_words(self) -> str:
        """How a sentence has it."""
        return self.replace("_", " ")


LEFT_STATES: Final = frozenset({WorkspaceState.KEPT, WorkspaceState.REVIEW})
"""Where a task has left its work, and nobody has said yet what is to become of it."""

GONE_STATES: Final = frozenset(
    {WorkspaceState.ACCEPTED, WorkspaceState.REMOVED, WorkspaceState.UNWANTED}
)
"""Where nobody is to work any more: it is gone, or is about to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A workspace, as every machine sees it."""

    id: TaskId
    """The task that it was made for."""

    task_id: TaskId
    """The task that worked in it last."""

    host: str
    path: str
    """Where it is on that host."""

    kind: str
    """`fresh` or `repo`."""

    state: WorkspaceState
    reason: str | None = None
    """Why it is in that state, for a person."""

    resumes: bool = False
    """Whether the next attempt is to go on in it."""

    repository: str | None = None
    """Of a `repo`: the path or address that it was made from."""

    branch: str | None = None
    base_branch: str | None = None
    """What it was made from and is to go back to; None if that was no branch."""

    base_commit: str | None = None
    changed_at: datetime | None = None
    """When the state last changed, by the database's clock; None before it is written."""


class WorkspaceLedger(Protocol):
    """What all machines know of workspaces."""

    async def note(self, task: "Task", workspace: Workspace) -> bool:
        """Write a workspace down under the lease of `task`; return False if that lease is gone.

        Raises:
            StoreUnavailableError: Postgres did not answer.
        """
        ...

    async def find(self, task_id: TaskId) -> Workspace | None:
        """Return the workspace that was made for a task, or else the one that it worked in."""
        ...

    async def of_parents(self, task_id: TaskId) -> Sequence[Workspace]:
        """Return the workspaces of the tasks that a task comes after, by their ids."""
        ...
