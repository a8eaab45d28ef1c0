"""The directory that has a machine's workspaces, and what is known of each beside it.

    <root>/
      12/                     the workspace of task 12, which is where its commands work
      .about/12/task.json     what its commands are told of their task
      .about/12/about.json    what Hive knows of it
      .making/12              on its way to be one; renamed once it is whole
      .going/12-5e0c9a        on its way out
      .repos/3f2a...          clones of repositories that are elsewhere
      .locks/                 who has what in hand: a lock is let go of by its holder's death

Only who holds the lock of a workspace makes it, uses it or removes it.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_contracts.errors import MalformedPayloadError
from hive_contracts.ids import TaskId
from hive_contracts.wire import decode_payload, encode_json
from hive_contracts.workspaces import Workspace
from hive_process.workspaces.git import Git
from hive_process.workspaces.locks import Lock
from hive_process.workspaces.programs import Programs

__all__ = ["About", "Yard"]


OWN_NAMES: Final = (".about", ".making", ".going", ".repos", ".locks")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What Hive knows of a workspace on its own machine."""

    workspace: Workspace
    is_ready: bool
    """Whether it was set up to the end."""

    is_for_task_alone: bool = False
    """Whether it goes with the end of its task, however that ends: `keep` is never."""

    copied: tuple[str, ...] = ()
    """What was copied in, as paths in it."""

    git_dir: str | None = None
    """Of a `repo`: where the repository is, on this machine."""

    is_remote: bool = False
    """Of a `repo`: whether that is a clone of one that is elsewhere."""


class Yard:
    """The workspaces of this machine."""

    def __init__(self, root: Path, programs: Programs) -> None:
        """Use `root`, an absolute path; nothing is made before `prepare`."""
        self.root = root
        self.programs = programs

    def prepare(self) -> None:
        """Make the directories that are not there yet."""
        for name in ("", *OWN_NAMES):
            (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    def place(self, task_id: TaskId) -> Path:
        """Return where the workspace of a task is."""
        return self.root / str(task_id)

    def making(self, task_id: TaskId) -> Path:
        """Return where it is while it is being made."""
        return self.root / ".making" / str(task_id)

    def task_file(self, task_id: TaskId) -> Path:
        """Return where its commands are told of their task."""
        return self.root / ".about" / str(task_id) / "task.json"

    def clone(self, address: str) -> Path:
        """Return where the clone of a repository is."""
        return self.root / ".repos" / _digest(address)

    def lock(self, task_id: TaskId) -> Lock | None:
        """Return the lock of a workspace; None if somebody has it in hand."""
        return Lock.take(self.root / ".locks" / str(task_id))

    def lock_on(self, what: str, name: str) -> Lock | None:
        """Return the lock on something else, such as a directory; None if somebody has it."""
        return Lock.take(self.root / ".locks" / f"{what}-{_digest(name)}")

    def read(self, task_id: TaskId) -> About | None:
        """Return what is known of a workspace; None if nothing is."""
        try:
            text = self._about(task_id).read_text(encoding="utf-8")
            return decode_payload("workspace", text, About)
        except (FileNotFoundError, MalformedPayloadError):
            return None

    def write(self, about: About) -> None:
        """Write down what is known of a workspace: all of it or nothing."""
        self._replace(self._about(about.workspace.id), encode_json(about))

    def write_task(self, task_id: TaskId, task: object) -> None:
        """Write down what the commands are told of their task."""
        self._replace(self.task_file(task_id), encode_json(task))

    def has(self, task_id: TaskId) -> bool:
        """Return whether there is a whole workspace of a task."""
        return self.place(task_id).is_dir()

    def ids(self) -> Iterator[TaskId]:
        """Give the ids of what is here, whole or not."""
        places = (self.root, self.root / ".making", self.root / ".about")
        names = {path.name for place in places for path in place.iterdir()}
        yield from sorted(TaskId(int(name)) for name in names if name.isdecimal())

    async def remove(self, task_id: TaskId, *, with_branch: bool = False) -> None:
        """Remove a workspace, whole or half made; the caller has its lock.

        A branch that nothing was committed to goes with it.

        Args:
            task_id: which.
            with_branch: whether its branch goes too, whatever it holds.
        """
        about = self.read(task_id)
        for place in (self.place(task_id), self.making(task_id)):
            with suppress(FileNotFoundError):
                place.rename(self.root / ".going" / f"{task_id}-{secrets.token_hex(4)}")
        if about is not None and about.git_dir is not None:
            await self._forget(about, with_branch=with_branch)
        shutil.rmtree(self._about(task_id).parent, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what is on its way out; it may take a while, and is meant for a thread."""
        for place in (self.root / ".going").iterdir():
            _delete(place)

    def give_up(self) -> None:
        """Delete what Hive keeps beside the workspaces, and `root` if nothing else is left in it.

        Raises:
            OSError: something cannot be deleted.
        """
        for name in OWN_NAMES:
            _delete(self.root / name)
        if not any(self.root.iterdir()):
            self.root.rmdir()

    async def _forget(self, about: About, *, with_branch: bool) -> None:
        git, workspace = Git(self.programs, Path(about.git_dir or "/")), about.workspace
        if not git.place.is_dir():
            return
        for place in (self.place(workspace.id), self.making(workspace.id)):
            await git.forget_worktree(place)
        branch = workspace.branch or ""
        if with_branch or await git.tip(branch) == workspace.base_commit:
            await git.delete_branch(branch)

    def _about(self, task_id: TaskId) -> Path:
        return self.root / ".about" / str(task_id) / "about.json"

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        new = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        new.replace(path)


def _delete(place: Path) -> None:
    """Delete a directory, also what its owner has taken the right from itself to delete."""
    shutil.rmtree(place, ignore_errors=True)
    if not place.exists():
        return
    for folder, _, _ in os.walk(place):
        with suppress(OSError):
            Path(folder).chmod(0o700)
    shutil.rmtree(place, ignore_errors=True)


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:24]
