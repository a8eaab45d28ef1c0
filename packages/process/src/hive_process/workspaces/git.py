"""Git, through its command line: worktrees and branches of tasks, and what changed in them.

Nothing here runs hooks but the checkout of a new worktree, and nothing writes to the user's own
configuration, index or working tree; what takes work over is in `accepting`.
"""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_contracts.errors import RefusedWorkspaceError
from hive_process.workspaces.programs import Programs, Ran, git_environment

__all__ = ["Base", "Git"]

HALF_MADE: Final = "/commondir"
"""What git fails to read of a worktree that somebody else is making in the same moment."""

MOST_TRIES: Final = 20
PAUSE_SECONDS: Final = 0.05

QUIET: Final = (
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "advice.detachedHead=false",
)
"""Upkeep of a repository is its owner's; a hundred tasks at once need not each begin it."""

FULL_NAME: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a branch begins with."""

    commit: str
    branch: str | None
    """None if it was begun with a tag, or a commit alone."""


class Git:
    """A repository, or a worktree of one."""

    def __init__(self, programs: Programs, place: Path) -> None:
        self.place = place
        self._programs = programs
        self._env = git_environment(os.environ)

    def at(self, place: Path) -> "Git":
        """Return git in another place."""
        return Git(self._programs, place)

    async def run(
        self, *words: str, env: Mapping[str, str] | None = None, stdin: bytes = b""
    ) -> Ran:
        """Run git, whatever it comes to."""
        return await self._programs.run(
            ["git", *QUIET, *words], cwd=self.place, env={**self._env, **(env or {})}, stdin=stdin
        )

    async def ask(
        self, *words: str, env: Mapping[str, str] | None = None, stdin: bytes = b""
    ) -> str:
        """Return what git prints.

        Raises:
            RefusedWorkspaceError: it failed; the message has its reason.
        """
        ran = await self.run(*words, env=env, stdin=stdin)
        if ran.code:
            said = " ".join(ran.err.split()) or f"exit code {ran.code}"
            raise RefusedWorkspaceError(f"git {words[0]} in {self.place}: {said}")
        return ran.out.decode(errors="surrogateescape").rstrip("\n")

    async def top(self) -> Path:
        """Return the repository's own directory: the top of its working tree, or a bare one.

        Raises:
            RefusedWorkspaceError: there is no repository.
        """
        ran = await self.run("rev-parse", "--show-toplevel")
        if ran.code:
            return Path(await self.ask("rev-parse", "--absolute-git-dir"))
        return Path(os.fsdecode(ran.out.rstrip(b"\n")))

    async def base(self, ref: str | None, *, remote: str = "") -> Base:
        """Return what `ref` is, or else what is checked out.

        Args:
            ref: a branch, tag or commit.
            remote: what stands before the names of branches, as in `refs/remotes/origin/`.

        Raises:
            RefusedWorkspaceError: there is no such thing, or no commit yet.
        """
        heads = remote or "refs/heads/"
        if ref is None:
            found = await self.run("symbolic-ref", "--quiet", f"{remote}HEAD")
            name = found.out.decode().strip().removeprefix(heads) or None
            commit = await self._commit(f"{remote}HEAD")
            if commit is None:
                raise RefusedWorkspaceError(f"{self.place} has no commit to begin with")
            return Base(commit=commit, branch=name)
        of_branch = await self._commit(f"{heads}{ref}")
        commit = of_branch or await self._commit(ref)
        if commit is None:
            raise RefusedWorkspaceError(f"{self.place} has no branch, tag or commit {ref!r}")
        return Base(commit=commit, branch=ref if of_branch else None)

    async def tip(self, branch: str) -> str | None:
        """Return the last commit of a branch; None if there is no such branch."""
        return await self._commit(f"refs/heads/{branch}")

    async def add_worktree(self, place: Path, *, branch: str, commit: str, reason: str) -> None:
        """Make a worktree on a new branch, which `git worktree prune` leaves alone.

        Raises:
            RefusedWorkspaceError: git refuses; the message has its reason.
        """
        words = ("worktree", "add", "--quiet", "--lock", "--reason", reason, "--no-track")
        await self._ask_among_others(*words, "-B", branch, "--", str(place), commit)

    async def moved(self, place: Path) -> None:
        """Tell the repository where a worktree of it is now."""
        await self._ask_among_others("worktree", "repair", str(place))

    async def _ask_among_others(self, *words: str) -> None:
        """Have git do what looks at all worktrees: one that is just being made is half there."""
        for _ in range(MOST_TRIES):
            try:
                await self.ask(*words)
            except RefusedWorkspaceError as error:
                if HALF_MADE not in str(error):
                    raise
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
        await self.ask(*words)

    async def forget_worktree(self, place: Path) -> None:
        """Have the repository forget a worktree that is not there any more."""
        await self.run("worktree", "remove", "--force", "--force", "--", str(place))

    async def delete_branch(self, branch: str) -> None:
        """Delete a branch, whatever it holds."""
        await self.run("update-ref", "-d", f"refs/heads/{branch}")

    async def snapshot(self, *, leave_out: Sequence[str] = ()) -> str:
        """Return a tree of what the worktree holds now, committed or not, but what is ignored.

        The worktree's own index stays as it is.

        Args:
            leave_out: what was copied in, and is left out unless it was committed.

        Raises:
            RefusedWorkspaceError: it is no worktree.
        """
        asked = await self.run("rev-parse", "--absolute-git-dir")
        if asked.code:
            raise RefusedWorkspaceError(
                f"{self.place} is no worktree any more ({' '.join(asked.err.split())}): its"
                " repository was moved or deleted. Put it back, or take the files from there; they"
                " are all that is left"
            )
        index = Path(os.fsdecode(asked.out.rstrip(b"\n"))) / "index"
        with tempfile.TemporaryDirectory(prefix="hive-index-") as folder:
            copy = Path(folder) / "index"
            if index.exists():
                shutil.copyfile(index, copy)
            env = {"GIT_INDEX_FILE": str(copy)}
            await self.ask("add", "--all", "--", ":/", env=env)
            if leave_out:
                names = [f":(top,literal){file}" for file in leave_out]
                await self.ask("reset", "--quiet", "HEAD", "--", *names, env=env)
            return await self.ask("write-tree", env=env)

    async def changed_files(self, base: str, tree: str) -> list[str]:
        """Return the names of files in which two commits or trees differ."""
        said = await self.ask("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, tree)
        return [name for name in said.split("\0") if name]

    async def has(self, ref: str | None) -> bool:
        """Return whether `ref` is the full name of a commit that is here."""
        is_name = ref is not None and FULL_NAME.fullmatch(ref) is not None
        return is_name and await self._commit(ref or "") is not None

    async def head(self) -> str:
        """Return the commit that is checked out.

        Raises:
            RefusedWorkspaceError: none is.
        """
        return await self.ask("rev-parse", "--verify", "HEAD^{commit}")

    async def _commit(self, ref: str) -> str | None:
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        ran = await self.run(*words)
        return None if ran.code else ran.out.decode().strip()
