"""Give an attempt its workspace, and say at its end what becomes of it.

    check_in    its lock, the one that there is or a new one, room on the disk, ports
    check_out   removed, kept or put up for review; written under the lease, then the lock let go

Postgres knows where a workspace is before a command runs in it. If it is away when the attempt
ends, the file beside the workspace still has the truth, and a sweep tells it later.
"""

import asyncio
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hive_contracts.errors import (
    BusyWorkspaceError,
    RefusedWorkspaceError,
    StaleLeaseError,
    StoreUnavailableError,
)
from hive_contracts.ids import TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import Outcome, move_for
from hive_contracts.states import Move
from hive_contracts.workspaces import GONE_STATES, Workspace, WorkspaceLedger, WorkspaceState
from hive_process.workspaces.git import Git
from hive_process.workspaces.locks import Lock
from hive_process.workspaces.making import make
from hive_process.workspaces.quota import size_in_words
from hive_process.workspaces.spec import WorkspaceSettings, WorkspaceSpec
from hive_process.workspaces.verdicts import Changes, verdict, with_workspace
from hive_process.workspaces.yard import About, Yard

__all__ = ["Lodgings", "Stay"]

PAUSE: Final = timedelta(seconds=5)
"""Before another try for what is busy, or on another machine: each costs a claim."""

MOST_SLOTS: Final = 4000


class Stay:
    """A workspace in the hands of one attempt."""

    def __init__(
        self,
        place: Path,
        *,
        about: About | None,
        spec: WorkspaceSpec,
        locks: list[Lock],
        env: Mapping[str, str],
    ) -> None:
        self.place = place
        """Where its commands work."""

        self.about = about
        """What is known of it; None for a directory that is not Hive's."""

        self.spec = spec
        self.env = env
        """What its commands are told."""

        self._locks = locks

    @property
    def needs_setup(self) -> bool:
        """Whether it is not set up yet."""
        return self.about is None or not self.about.is_ready

    def let_go(self) -> None:
        """Let others have it."""
        while self._locks:
            self._locks.pop().let_go()


class Lodgings:
    """The workspaces of this machine, for the attempts of one worker."""

    def __init__(self, yard: Yard, ledger: WorkspaceLedger, settings: WorkspaceSettings) -> None:
        self._yard = yard
        self._ledger = ledger
        self._settings = settings
        self._host = socket.gethostname()

    async def check_in(self, task: Task, spec: WorkspaceSpec, told: Mapping[str, Any]) -> Stay:
        """Give an attempt its workspace.

        Args:
            task: the task.
            spec: what it asks for.
            told: what its file of the task says beside what is said of all.

        Raises:
            RefusedWorkspaceError: it cannot have what it asks for.
            BusyWorkspaceError: it cannot have it now, or not here.
            StaleLeaseError: its lease is gone.
        """
        self._yard.prepare()
        locks: list[Lock] = []
        try:
            # Its own, wherever it works: a sweep leaves alone what its commands are told.
            self._hold(task.id, locks)
            if spec.kind == "dir":
                place, about = self._given(spec, locks), None
            else:
                about = await self._own(task, spec, locks)
                place = Path(about.workspace.path)
            slot = self._slot(locks)
            env = self._environment(task, spec, place, about, slot)
            self._yard.write_task(task.id, {**_described(task, spec, about, env), **told})
            return Stay(place, about=about, spec=spec, locks=locks, env=env)
        except BaseException:
            for lock in locks:
                lock.let_go()
            raise

    def note_ready(self, stay: Stay) -> None:
        """Write down that a workspace was set up to the end."""
        if stay.about is not None:
            stay.about = replace(stay.about, is_ready=True)
            self._yard.write(stay.about)

    async def check_out(self, task: Task, stay: Stay, outcome: Outcome) -> Outcome:
        """Say what becomes of the workspace; return the outcome with what there is to tell of it.

        Args:
            task: the task.
            stay: what it was given.
            outcome: how the attempt ended; if it was called off, that.
        """
        try:
            if stay.about is None:
                shutil.rmtree(self._yard.task_file(task.id).parent, ignore_errors=True)
                return outcome
            changed = await self._changed(stay.about.workspace, stay.about.copied)
            move = move_for(outcome, failures=task.failures, max_attempts=task.max_attempts)
            state, reason, resumes = verdict(
                stay.spec, outcome, changed=changed, is_final=move is Move.FAIL
            )
            workspace = replace(
                stay.about.workspace,
                task_id=task.id, state=state, reason=reason, resumes=resumes,
            )  # fmt: skip
            await self._settle(task, replace(stay.about, workspace=workspace))
            return with_workspace(outcome, workspace, changed)
        finally:
            stay.let_go()

    async def _settle(self, task: Task, about: About) -> None:
        self._yard.write(about)
        if about.workspace.state is WorkspaceState.REMOVED:
            await self._yard.remove(about.workspace.id)
            await asyncio.to_thread(self._yard.sweep)
        try:
            await self._ledger.note(task, about.workspace)
        except StoreUnavailableError:
            # A sweep tells it, once Postgres is back.
            return

    async def _changed(self, workspace: Workspace, copied: Sequence[str]) -> Changes:
        """Return what a `repo` differs in from what it was made of."""
        if workspace.base_commit is None:
            return Changes(is_changed=False, files=None)
        git = Git(self._yard.programs, Path(workspace.path))
        try:
            tree = await git.snapshot(leave_out=copied)
            files = await git.changed_files(workspace.base_commit, tree)
            has_commits = await git.head() != workspace.base_commit
        except RefusedWorkspaceError:
            # Whatever its command has done to it: a person is to look before it goes.
            return Changes(is_changed=True, files=None)
        return Changes(is_changed=bool(files) or has_commits, files=len(files))

    def _given(self, spec: WorkspaceSpec, locks: list[Lock]) -> Path:
        place = Path(spec.path or "")
        if not place.is_dir():
            raise RefusedWorkspaceError(f"there is no directory {place} on {self._host}")
        lock = self._yard.lock_on("dir", str(place.resolve()))
        if lock is None:
            raise BusyWorkspaceError(f"another task works in {place}")
        locks.append(lock)
        return place

    async def _own(self, task: Task, spec: WorkspaceSpec, locks: list[Lock]) -> About:
        if spec.kind == "same":
            about = await self._of_another(task, spec, locks)
        else:
            about = await self._of_attempt_before(task, spec)
            if about is None:
                await self._yard.remove(task.id)
                self._refuse_full_disk()
                about = await self._made(task, spec)
        workspace = replace(
            about.workspace,
            task_id=task.id, state=WorkspaceState.IN_USE, reason=None, resumes=spec.in_place,
        )  # fmt: skip
        if not await self._ledger.note(task, workspace):
            raise StaleLeaseError(task.id, task.lease_id)
        about = replace(about, workspace=workspace, is_for_task_alone=spec.keep == "never")
        self._yard.write(about)
        return about

    async def _made(self, task: Task, spec: WorkspaceSpec) -> About:
        try:
            return await make(self._yard, spec, task, host=self._host)
        except BaseException:
            await self._yard.remove(task.id)
            raise

    async def _of_attempt_before(self, task: Task, spec: WorkspaceSpec) -> About | None:
        """Return the workspace that an attempt before has left to go on in; None if there is none.

        Raises:
            BusyWorkspaceError: it is on another machine.
        """
        if task.attempt <= 1 and not task.given_back:
            return None
        left = await self._ledger.find(task.id)
        if left is None or left.state in GONE_STATES or not left.resumes:
            return None
        if left.host != self._host or left.path != str(self._yard.place(task.id)):
            raise BusyWorkspaceError(f"its workspace is on {left.host}, in {left.path}")
        about = self._yard.read(task.id)
        is_whole = about is not None and self._yard.has(task.id) and about.is_ready
        return about if is_whole else None

    async def _of_another(self, task: Task, spec: WorkspaceSpec, locks: list[Lock]) -> About:
        found = await self._meant(task, spec)
        if found.state in GONE_STATES:
            raise RefusedWorkspaceError(f"the workspace of task {found.id} is {found.state}")
        if found.host != self._host or found.path != str(self._yard.place(found.id)):
            raise BusyWorkspaceError(
                f"the workspace of task {found.id} is on {found.host}, in {found.path}"
            )
        if found.id != task.id:
            self._hold(found.id, locks)
        about = self._yard.read(found.id)
        if about is None or not self._yard.has(found.id):
            raise RefusedWorkspaceError(f"the workspace of task {found.id} is not there any more")
        return about

    async def _meant(self, task: Task, spec: WorkspaceSpec) -> Workspace:
        if spec.of is not None:
            found = await self._ledger.find(TaskId(spec.of))
            if found is None:
                raise RefusedWorkspaceError(f"task {spec.of} has left no workspace")
            return found
        several = await self._ledger.of_parents(task.id)
        if len(several) != 1:
            what = "none" if not several else ", ".join(str(each.id) for each in several)
            raise RefusedWorkspaceError(
                f"of the tasks that it comes after, these have left a workspace: {what}; say whose"
                " is meant by workspace.of"
            )
        return several[0]

    def _hold(self, task_id: TaskId, locks: list[Lock]) -> None:
        lock = self._yard.lock(task_id)
        if lock is None:
            raise BusyWorkspaceError(f"somebody else works in the workspace of task {task_id}")
        locks.append(lock)

    def _slot(self, locks: list[Lock]) -> int:
        """Return the lowest number that no other attempt on this machine has."""
        for number in range(MOST_SLOTS):
            if (lock := self._yard.lock_on("slot", str(number))) is not None:
                locks.append(lock)
                return number
        raise BusyWorkspaceError(f"{MOST_SLOTS} attempts have their ports on this machine")

    def _refuse_full_disk(self) -> None:
        free = shutil.disk_usage(self._yard.root).free
        if free < self._settings.min_free_bytes:
            raise BusyWorkspaceError(
                f"the disk of {self._yard.root} has {size_in_words(free)} free, less than"
                f" {self._settings.min_free} (workspaces.min_free)"
            )

    def _environment(
        self, task: Task, spec: WorkspaceSpec, place: Path, about: About | None, slot: int
    ) -> dict[str, str]:
        settings = self._settings
        env = {
            "HIVE_WORKSPACE": str(place),
            "HIVE_TASK_FILE": str(self._yard.task_file(task.id)),
            "HIVE_SLOT": str(slot),
            "HIVE_PORT": str(settings.first_port + slot * settings.ports),
            "HIVE_PORTS": str(settings.ports),
        }
        if about is not None and about.workspace.branch is not None:
            env["HIVE_BRANCH"] = about.workspace.branch
        if spec.comment is not None:
            env["HIVE_COMMENT"] = spec.comment
        return env


def _described(
    task: Task, spec: WorkspaceSpec, about: About | None, env: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the file of a task says."""
    workspace = None if about is None else about.workspace
    return {
        "task_id": task.id,
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "kind": task.kind,
        "queue": task.queue,
        "workspace": env["HIVE_WORKSPACE"],
        "port": int(env["HIVE_PORT"]),
        "ports": int(env["HIVE_PORTS"]),
        "comment": spec.comment,
        "repository": None if workspace is None else workspace.repository,
        "branch": None if workspace is None else workspace.branch,
        "base_branch": None if workspace is None else workspace.base_branch,
        "base_commit": None if workspace is None else workspace.base_commit,
    }
