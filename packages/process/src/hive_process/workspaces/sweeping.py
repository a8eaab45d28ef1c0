"""Bring the workspaces of a machine and what Postgres says of them together, now and then.

After a crash something may be half made, half removed, or in the hands of nobody; and somebody on
another machine may have said that a workspace is not wanted any more. What a living process has in
its hands is locked, and left alone.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.workspaces import GONE_STATES, LEFT_STATES, Workspace, WorkspaceState
from hive_process.workspaces.spec import WorkspaceSettings
from hive_process.workspaces.yard import About, Yard

__all__ = ["Register", "sweep_workspaces"]

ENDED_IN_STATES: Final = frozenset({WorkspaceState.IN_USE, WorkspaceState.KEPT})
"""In which a task may have ended without success: its worker died, or it was to go on there."""


class Listed(Protocol):
    """A workspace, and how its task stands."""

    @property
    def workspace(self) -> Workspace:
        """Where it is."""
        ...

    @property
    def task_state(self) -> TaskState | None:
        """Of the task that worked in it last; None if that is not kept any more."""
        ...

    @property
    def age_seconds(self) -> float:
        """Since its state last changed."""
        ...


class Register(Protocol):
    """What a sweep asks of Postgres, as `hive_store.WorkspaceStore` answers it."""

    async def find(self, task_id: TaskId) -> Workspace | None:
        """Return the workspace that was made for a task, or else the one that it worked in."""
        ...

    async def list(self, *, host: str | None = None) -> Sequence[Listed]:
        """Return the workspaces of a host."""
        ...

    async def settle(
        self, workspace: Workspace, state: WorkspaceState, *, reason: str | None = None
    ) -> bool:
        """Say what becomes of a workspace, if it is still as it was seen."""
        ...

    async def forget(self) -> int:
        """Forget what is gone."""
        ...


async def sweep_workspaces(yard: Yard, register: Register, settings: WorkspaceSettings) -> int:
    """Sweep once, unless another process of this machine is at it; return how many were removed.

    Raises:
        StoreUnavailableError: Postgres did not answer; what is done is done.
    """
    yard.prepare()
    turn = yard.lock_on("sweep", "")
    if turn is None:
        return 0
    try:
        return await _Sweep(yard, register, settings).run()
    finally:
        turn.let_go()


class _Sweep:
    def __init__(self, yard: Yard, register: Register, settings: WorkspaceSettings) -> None:
        self._yard = yard
        self._register = register
        self._keep_seconds = settings.keep_seconds
        self._host = socket.gethostname()

    async def run(self) -> int:
        listed = await self._register.list(host=self._host)
        known = {each.workspace.id: each for each in listed if self._is_here(each.workspace)}
        open_ones = (key for key, each in known.items() if each.workspace.state not in GONE_STATES)
        removed = 0
        for task_id in sorted({*self._yard.ids(), *open_ones}):
            lock = self._yard.lock(task_id)
            if lock is None:
                continue
            try:
                removed += await self._look_at(task_id, known.get(task_id))
            finally:
                lock.let_go()
        await self._register.forget()
        await asyncio.to_thread(self._yard.sweep)
        return removed

    async def _look_at(self, task_id: TaskId, listed: Listed | None) -> bool:
        """Settle what nobody has in hand; return whether it was removed."""
        about = self._yard.read(task_id)
        # The list is older than the lock: a task may have worked here, and left, in between.
        row = await self._register.find(task_id)
        if row is None or row.id != task_id or not self._is_here(row):
            is_nobodys = self._is_nobodys(task_id, row, about)
            if is_nobodys:
                await self._yard.remove(task_id)
            return is_nobodys
        if listed is None or listed.workspace != row:
            # The next sweep sees it as it is.
            return False
        return await self._settle(listed, about)

    async def _settle(self, listed: Listed, about: About | None) -> bool:
        workspace = listed.workspace
        task_id = workspace.id
        if workspace.state in GONE_STATES:
            is_accepted = workspace.state is WorkspaceState.ACCEPTED
            await self._yard.remove(task_id, with_branch=is_accepted)
            if workspace.state is WorkspaceState.UNWANTED:
                await self._register.settle(workspace, WorkspaceState.REMOVED)
            return True
        has_ended = listed.task_state is None or listed.task_state in TERMINAL_STATES
        if not has_ended:
            return False
        if not self._yard.has(task_id):
            reason = "it is not there any more"
            await self._register.settle(workspace, WorkspaceState.REMOVED, reason=reason)
            await self._yard.remove(task_id)
            return False
        return await self._settle_left(listed, about)

    async def _settle_left(self, listed: Listed, about: About | None) -> bool:
        workspace = listed.workspace
        if workspace.state in ENDED_IN_STATES and about is not None and about.is_for_task_alone:
            return await self._remove(workspace, "its task is over")
        if workspace.state is WorkspaceState.IN_USE:
            said = WorkspaceState.KEPT if about is None else about.workspace.state
            is_told = about is not None and said in LEFT_STATES
            reason = about.workspace.reason if about and is_told else "its worker died"
            state = said if is_told else WorkspaceState.KEPT
            await self._register.settle(workspace, state, reason=reason)
            return False
        is_over = self._keep_seconds is not None and listed.age_seconds > self._keep_seconds
        if workspace.state is not WorkspaceState.KEPT or not is_over:
            return False
        return await self._remove(workspace, "it was kept for long enough")

    async def _remove(self, workspace: Workspace, reason: str) -> bool:
        if not await self._register.settle(workspace, WorkspaceState.REMOVED, reason=reason):
            return False
        await self._yard.remove(workspace.id)
        return True

    def _is_here(self, workspace: Workspace) -> bool:
        is_of_host = workspace.host == self._host
        return is_of_host and workspace.path == str(self._yard.place(workspace.id))

    def _is_nobodys(self, task_id: TaskId, row: Workspace | None, about: About | None) -> bool:
        """Return whether nobody misses what Postgres does not know, or knows to be elsewhere."""
        if row is not None and row.id == task_id:
            # Machines may share a directory, as with homes on a file server.
            return about is None or about.workspace.host == self._host
        # Never set up, no command was in it. What was is not deleted for a row that is missing.
        return about is None or not about.is_ready or not self._yard.has(task_id)
