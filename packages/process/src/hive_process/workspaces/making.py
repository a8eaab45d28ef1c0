"""Make a workspace aside, and rename it into place when it is whole.

What dies half-way leaves something in `.making`, which the next attempt, or a sweep, removes; a
place below the root that is named by a number is always whole.
"""

import asyncio
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hive_contracts.addresses import without_password
from hive_contracts.errors import RefusedWorkspaceError
from hive_contracts.leased import Task
from hive_contracts.workspaces import Workspace, WorkspaceState
from hive_process.workspaces.caches import link_or_copy
from hive_process.workspaces.git import Git
from hive_process.workspaces.spec import WorkspaceSpec
from hive_process.workspaces.yard import About, Yard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

__all__ = ["REMOTE_HEADS", "fetched", "make"]

REMOTE_HEADS: Final = "refs/remotes/origin/"
LOOK_SECONDS: Final = 0.1
MOST_BRANCHES: Final = 1000


async def make(yard: Yard, spec: WorkspaceSpec, task: Task, *, host: str) -> About:
    """Make the workspace of a task, whose lock the caller has; return what there is to know of it.

    Raises:
        RefusedWorkspaceError: it cannot be made as the task asks for it.
    """
    workspace = Workspace(
        id=task.id,
        task_id=task.id,
        host=host,
        path=str(yard.place(task.id)),
        kind=spec.kind,
        state=WorkspaceState.IN_USE,
        resumes=spec.in_place,
    )
    about = About(workspace=workspace, is_ready=False, is_for_task_alone=spec.keep == "never")
    if spec.kind == "repo":
        about = await _made_of_repository(yard, spec, about)
    else:
        yard.write(about)
        yard.making(task.id).mkdir(mode=0o700)
        yard.making(task.id).rename(yard.place(task.id))
    copied = await asyncio.to_thread(_bring_in, yard.place(task.id), spec, about)
    about = replace(about, copied=copied)
    yard.write(about)
    return about


async def _made_of_repository(yard: Yard, spec: WorkspaceSpec, about: About) -> About:
    said, workspace = spec.repo or "", about.workspace
    is_remote = is_address(said)
    if is_remote:
        git = await _clone_of(yard, said, spec.ref)
        base = await git.base(spec.ref, remote=REMOTE_HEADS)
    else:
        git = Git(yard.programs, Path(said))
        git = git.at(await git.top())
        base = await git.base(spec.ref)
    if yard.root.is_relative_to(git.place):
        raise RefusedWorkspaceError(
            f"workspaces would be inside the repository {git.place}; set workspaces.root to a"
            " directory outside of it"
        )
    branch = await _free_branch(git, spec.branch or f"hive/{workspace.id}", base.commit)
    workspace = replace(
        workspace,
        repository=without_password(said) if is_remote else str(git.place),
        branch=branch,
        base_branch=base.branch,
        base_commit=base.commit,
    )
    about = replace(about, workspace=workspace, git_dir=str(git.place), is_remote=is_remote)
    yard.write(about)
    making, place = yard.making(workspace.id), yard.place(workspace.id)
    reason = f"task {workspace.id} of Hive"
    await git.add_worktree(making, branch=branch, commit=base.commit, reason=reason)
    making.rename(place)
    await git.moved(place)
    return about


def is_address(said: str) -> bool:
    """Return whether `said` is where to clone from, rather than a path."""
    return "://" in said or (":" in said.partition("/")[0] and not Path(said).exists())


async def fetched(yard: Yard, git: Git) -> None:
    """Have a clone know what its origin has now.

    Raises:
        RefusedWorkspaceError: the origin did not answer, or refuses.
    """
    async with _alone(yard, str(git.place)):
        await git.ask("fetch", "--quiet", "--no-write-fetch-head", "origin")


async def _clone_of(yard: Yard, address: str, ref: str | None) -> Git:
    """Return an up-to-date clone; who comes second waits for who clones."""
    place = yard.clone(address)
    git = Git(yard.programs, place)
    if not place.exists():
        async with _alone(yard, str(place)):
            if not place.exists():
                await _clone(yard, address, place)
                return git
    if not await git.has(ref):
        await fetched(yard, git)
    return git


async def _clone(yard: Yard, address: str, place: Path) -> None:
    making = place.with_name(f"{place.name}.making")
    await asyncio.to_thread(shutil.rmtree, making, ignore_errors=True)
    making.mkdir(mode=0o700)
    git = Git(yard.programs, making)
    await git.ask("init", "--quiet", "--bare")
    await git.ask("remote", "add", "--", "origin", address)
    await git.ask("fetch", "--quiet", "--no-write-fetch-head", "origin")
    # Without a default branch there, a task has to say its ref.
    await git.run("remote", "set-head", "origin", "--auto")
    making.rename(place)


@asynccontextmanager
async def _alone(yard: Yard, name: str) -> "AsyncGenerator[None]":
    """Wait until nobody else on this machine fetches into the same clone."""
    while (lock := yard.lock_on("clone", name)) is None:  # noqa: ASYNC110 - others are processes
        await asyncio.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        lock.let_go()


async def _free_branch(git: Git, wanted: str, commit: str) -> str:
    """Return a name that is free, or whose branch holds nothing: no commit is ever lost."""
    checked = await git.run("check-ref-format", f"refs/heads/{wanted}")
    if checked.code:
        raise RefusedWorkspaceError(f"{wanted!r} can be no name of a branch")
    for number in range(1, MOST_BRANCHES):
        name = wanted if number == 1 else f"{wanted}-{number}"
        if await git.tip(name) in (None, commit) and name != await _checked_out(git):
            return name
    raise RefusedWorkspaceError(f"{git.place} has {MOST_BRANCHES} branches like {wanted} already")


async def _checked_out(git: Git) -> str:
    ran = await git.run("symbolic-ref", "--quiet", "--short", "HEAD")
    return ran.out.decode().strip()


def _bring_in(place: Path, spec: WorkspaceSpec, about: About) -> tuple[str, ...]:
    """Bring in what the task asks for; return the paths of it in the workspace."""
    brought: list[str] = []
    for names, copy in ((spec.copy, shutil.copy2), (spec.cache, link_or_copy)):
        for name in names:
            path = Path(name)
            source = path if path.is_absolute() else Path(about.git_dir or "/") / path
            target = place / (path.name if path.is_absolute() else path)
            if not target.parent.resolve().is_relative_to(place.resolve()):
                raise RefusedWorkspaceError(f"{name!r} would be copied out of the workspace")
            if names is spec.cache and not source.exists():
                continue
            try:
                _bring(source, target, copy)
            except OSError as error:
                reason = error.strerror or error
                raise RefusedWorkspaceError(f"{source} cannot be copied in: {reason}") from error
            brought.append(str(target.relative_to(place)))
    return tuple(brought)


def _bring(source: Path, target: Path, copy: "Callable[[Any, Any], object]") -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=copy)
    else:
        copy(source, target)
