"""Take over what a task has changed of a repository: merge it, or apply it.

    merge    the branch that it was made from gets a merge, or is moved forward if it stood still
    squash   the same, as one commit
    apply    the changes, uncommitted, in the repository's own working tree

A merge is made without any working tree, so that one with conflicts has touched nothing. Where the
branch is checked out, the working tree is brought forward as `git merge --ff-only` does it: local
changes that are in the way stay, and the answer is no.
"""

import os
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Final

from hive_contracts.errors import RefusedWorkspaceError
from hive_process.workspaces.git import Git
from hive_process.workspaces.making import REMOTE_HEADS, fetched
from hive_process.workspaces.yard import About, Yard

__all__ = ["Accepted", "Way", "accept"]

CONFLICTS: Final = 1
"""Exit code of `git merge-tree` when it found some; higher ones are failures of its own."""

MOST_TOLD: Final = 10
NOBODY: Final = {
    "GIT_AUTHOR_NAME": "Hive",
    "GIT_AUTHOR_EMAIL": "hive@localhost",
    "GIT_COMMITTER_NAME": "Hive",
    "GIT_COMMITTER_EMAIL": "hive@localhost",
}
"""Who makes commits for people whom git does not know."""


@unique
class Way(StrEnum):
    """How work is taken over."""

    MERGE = "merge"
    SQUASH = "squash"
    APPLY = "apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What came of it."""

    files: int
    """How many were changed."""

    where: str
    """The branch, or the directory."""

    commit: str | None
    """What the branch is now; None if nothing was committed."""


async def accept(yard: Yard, about: About, *, way: Way, into: str | None, message: str) -> Accepted:
    """Take over what is in a workspace, whose lock the caller has; the workspace stays as it is.

    Args:
        yard: where it is.
        about: which.
        way: how.
        into: a branch, instead of the one that it was made from.
        message: of the commits that are made; its own stay as they are.

    Raises:
        RefusedWorkspaceError: it cannot be taken over; the message says why, and nothing was done.
    """
    return await _Taking(yard, about, message).run(way, into)


class _Taking:
    def __init__(self, yard: Yard, about: About, message: str) -> None:
        workspace = about.workspace
        if workspace.base_commit is None or about.git_dir is None:
            raise RefusedWorkspaceError(
                f"the workspace of task {workspace.id} is of no repository: there is nothing to"
                f" merge; see what it holds with `hive ws open {workspace.id}`"
            )
        self._yard = yard
        self._about = about
        self._base = workspace.base_commit
        self._message = message
        self._git = Git(yard.programs, Path(workspace.path))
        self._repository = Git(yard.programs, Path(about.git_dir))

    async def run(self, way: Way, into: str | None) -> Accepted:
        tree = await self._git.snapshot(leave_out=self._about.copied)
        files = len(await self._git.changed_files(self._base, tree))
        if way is Way.APPLY:
            return await self._apply(tree, files)
        target = into or self._about.workspace.base_branch
        if target is None:
            raise RefusedWorkspaceError(
                f"it was made from commit {self._base[:12]}, which is no branch; say which one is"
                " to have it, as in --into main"
            )
        tip = await self._tip(tree)
        old = await self._standing(target)
        if await self._contains(old, tip):
            return Accepted(files=files, where=target, commit=old)
        new = tip
        if way is Way.SQUASH or not await self._contains(tip, old):
            new = await self._merged(target, old, tip, is_squash=way is Way.SQUASH)
        await self._land(target, old, new)
        return Accepted(files=files, where=target, commit=new)

    async def _tip(self, tree: str) -> str:
        """Return a commit of everything that is there; what was not committed comes on top."""
        head = await self._git.head()
        if await self._git.ask("rev-parse", "--verify", f"{head}^{{tree}}") == tree:
            return head
        return await self._commit(tree, head)

    async def _standing(self, target: str) -> str:
        """Return what the branch is that is to have the work."""
        heads = "refs/heads/"
        if self._about.is_remote:
            await fetched(self._yard, self._repository)
            heads = REMOTE_HEADS
        found = await self._repository.run("rev-parse", "--verify", "--quiet", heads + target)
        if found.code:
            raise RefusedWorkspaceError(
                f"{self._about.workspace.repository} has no branch {target!r}"
            )
        return found.out.decode().strip()

    async def _contains(self, later: str, earlier: str) -> bool:
        ran = await self._repository.run("merge-base", "--is-ancestor", earlier, later)
        return ran.code == 0

    async def _merged(self, target: str, old: str, tip: str, *, is_squash: bool) -> str:
        words = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z")
        ran = await self._repository.run(*words, old, tip)
        if ran.code > CONFLICTS:
            raise RefusedWorkspaceError(
                f"git cannot merge without a working tree, which takes 2.38 or later:"
                f" {' '.join(ran.err.split())}"
            )
        tree, *names = [name for name in os.fsdecode(ran.out).split("\0") if name]
        if ran.code == CONFLICTS:
            raise RefusedWorkspaceError(self._conflict(target, names))
        return await self._commit(tree, old, *(() if is_squash else (tip,)))

    def _conflict(self, target: str, names: list[str]) -> str:
        workspace = self._about.workspace
        more = [f"and {len(names) - MOST_TOLD} more"] if len(names) > MOST_TOLD else []
        told = "".join(f"\n  {name}" for name in (*names[:MOST_TOLD], *more))
        onto = f"origin/{target}" if self._about.is_remote else target
        return (
            f"both {target} and task {workspace.task_id} have changed these files in the same"
            f" places, and nothing was merged:{told}\n"
            f"Let its command solve it:  hive reject {workspace.task_id} -m 'merge {onto} into your"
            " branch, and solve the conflicts'\n"
            f"or solve it yourself:      cd {workspace.path} && git add -A && git commit -m work"
            f" && git merge {onto}\n"
            f"and accept it again."
        )

    async def _land(self, target: str, old: str, new: str) -> None:
        if self._about.is_remote:
            ran = await self._repository.run(
                "push", "--quiet", "origin", f"{new}:refs/heads/{target}"
            )
            if ran.code:
                said = " ".join(ran.err.split())
                raise RefusedWorkspaceError(
                    f"{self._about.workspace.repository} did not take it: {said}"
                )
            return
        checked_out = await self._checked_out(target)
        if checked_out is None:
            await self._repository.ask("update-ref", f"refs/heads/{target}", new, old)
            return
        ran = await self._repository.at(checked_out).run("merge", "--ff-only", "--quiet", new)
        if ran.code:
            raise RefusedWorkspaceError(
                f"{target} is checked out in {checked_out}, and git would not bring that forward:\n"
                f"{ran.err.strip()}"
            )

    async def _checked_out(self, branch: str) -> Path | None:
        """Return the working tree in which a branch is checked out; None if in none."""
        said = await self._repository.ask("worktree", "list", "--porcelain", "-z")
        for record in said.split("\0\0"):
            lines = record.split("\0")
            if f"branch refs/heads/{branch}" in lines:
                return Path(lines[0].removeprefix("worktree "))
        return None

    async def _apply(self, tree: str, files: int) -> Accepted:
        if self._about.is_remote:
            raise RefusedWorkspaceError(
                "its repository is elsewhere, and has no working tree here; leave out --apply"
            )
        place = self._repository.place
        diff = await self._git.run(
            "diff", "--binary", "--full-index", "--no-color", self._base, tree
        )
        if not diff.out:
            return Accepted(files=0, where=str(place), commit=None)
        ran = await self._repository.run("apply", "--check", "-", stdin=diff.out)
        if ran.code:
            raise RefusedWorkspaceError(
                f"its changes do not fit what is in {place}, and nothing was applied:\n"
                f"{ran.err.strip()}"
            )
        await self._repository.ask("apply", "-", stdin=diff.out)
        return Accepted(files=files, where=str(place), commit=None)

    async def _commit(self, tree: str, *parents: str) -> str:
        known = await self._repository.run("var", "GIT_COMMITTER_IDENT")
        env = NOBODY if known.code else {}
        words = [word for parent in parents for word in ("-p", parent)]
        message = self._message.encode(errors="surrogateescape")
        return await self._git.ask("commit-tree", tree, *words, env=env, stdin=message)
