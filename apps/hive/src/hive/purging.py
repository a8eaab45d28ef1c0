"""Delete what a Hive has kept in its data directory, and nothing that somebody else has put there.

A data directory is Hive's if it has the lock file that only `hive up` makes. What Hive makes there
has the names below; the directory itself goes only if nothing else is left in it. Workspaces may be
in a directory of their own: what is known to be one goes from there too.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive import up_state
from hive.printing import say
from hive.running import run_main
from hive_contracts.errors import (
    ConfigurationError,
    RefusedWorkspaceError,
    ServiceUnavailableError,
)
from hive_contracts.ids import TaskId
from hive_process.workspaces.programs import ChildPrograms
from hive_process.workspaces.yard import About, Yard
from hive_services.homes import Home
from hive_services.processes import processes_in

__all__ = ["OWN_NAMES", "Estate", "estate_of", "purge"]

LOCK: Final = "up.lock"
WORKSPACES: Final = "ws"
OWN_NAMES: Final = (
    "up.*",
    "logs",
    "maps",
    WORKSPACES,
    "join.toml*",
    "postgres",
    "postgres.*",
    "redis",
    "redis.*",
)
SERVICES: Final = ("postgres", "redis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """What is in a data directory."""

    data_dir: Path
    own: Sequence[Path]
    foreign: Sequence[Path]
    """What Hive has not made, and will not delete."""


def estate_of(data_dir: Path) -> Estate | None:
    """Return what is in a data directory; None if there is no such directory.

    Raises:
        ConfigurationError: it is not a Hive's, or another user's.
    """
    try:
        entries = sorted(data_dir.iterdir())
        owner = data_dir.stat().st_uid
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{data_dir} cannot be read: {error.strerror}") from error
    if data_dir / LOCK not in entries:
        raise ConfigurationError(
            f"{data_dir} is no data directory of a Hive: it has no {LOCK}; nothing was deleted"
        )
    if owner != os.geteuid():
        raise ConfigurationError(
            f"{data_dir} belongs to user id {owner}, and this process runs as user id"
            f" {os.geteuid()}; nothing was deleted"
        )
    own = [entry for entry in entries if any(map(entry.match, OWN_NAMES))]
    foreign = [entry for entry in entries if entry not in own]
    return Estate(data_dir=data_dir, own=own, foreign=foreign)


def purge(estate: Estate, *, workspaces: Path | None) -> None:
    """Delete what is Hive's own, while no `hive up` can begin there.

    Args:
        estate: what is in its data directory.
        workspaces: the directory that has its workspaces, which may be elsewhere; None for none.

    Raises:
        ConfigurationError: a `hive up` runs there.
        ServiceUnavailableError: one of its servers still runs, somebody works in a workspace, or
            something cannot be deleted.
    """
    data_dir = estate.data_dir
    with up_state.hold(data_dir):
        for service in SERVICES:
            _refuse_while_it_runs(service, data_dir)
        # Also the usual one: what was made there before another was said is there still.
        roots = {data_dir.absolute() / WORKSPACES, workspaces}
        known = {yard: _known_in(yard) for root in roots if (yard := _yard_in(root)) is not None}
        try:
            # The lock last: if this is interrupted, the directory can still be told for a Hive's.
            for yard, abouts in known.items():
                _clear(yard, abouts)
            for entry in sorted(estate.own, key=lambda entry: entry.name == LOCK):
                _delete(entry)
            if not estate.foreign:
                data_dir.rmdir()
        except OSError as error:
            raise ServiceUnavailableError(
                f"{error.filename} cannot be deleted: {error.strerror}; what is left can be"
                " deleted by running it again"
            ) from error


def _refuse_while_it_runs(service: str, data_dir: Path) -> None:
    home = Home(data_dir.resolve(), service)
    if pids := [process.pid for process in processes_in(home.data)]:
        raise ServiceUnavailableError(
            f"process {pids[0]} still works in {home.data}; end it first. Nothing was deleted"
        )
    if home.sockets.parent != home.root:
        shutil.rmtree(home.sockets, ignore_errors=True)


def _yard_in(root: Path | None) -> Yard | None:
    """Return the yard in a directory; None if Hive has made none there."""
    if root is None or not (root / ".about").is_dir():
        return None
    yard = Yard(root, ChildPrograms())
    yard.prepare()
    return yard


def _known_in(yard: Yard) -> dict[TaskId, About]:
    """Return what is known of each workspace, if nobody works in any."""
    for task_id in yard.ids():
        lock = yard.lock(task_id)
        if lock is None:
            raise ServiceUnavailableError(
                f"somebody still works in {yard.place(task_id)}; end that first. Nothing was"
                " deleted"
            )
        lock.let_go()
    return {task_id: about for task_id in yard.ids() if (about := yard.read(task_id)) is not None}


def _clear(yard: Yard, abouts: Mapping[TaskId, About]) -> None:
    """Remove workspaces, and have repositories forget their worktrees; what has commits stays."""
    for task_id, about in abouts.items():
        try:
            run_main(yard.remove(task_id))
        except RefusedWorkspaceError as error:
            say(
                f"hive: {about.git_dir} keeps branch {about.workspace.branch} and the worktree"
                f" {yard.place(task_id)}, which is gone: {error}"
            )
    yard.sweep()
    yard.give_up()


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
