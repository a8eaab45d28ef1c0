"""Which fences around commands hold on this machine: looked at, never assumed.

`hive doctor` prints them. Nothing is changed by looking.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_process.kernel import OwnOomScore, is_subreaping_known

__all__ = ["Fence", "inspect_fences"]

PROC: Final = Path("/proc")
GROUPS: Final = "fence: control groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fence."""

    name: str
    holds: bool
    found: str
    """What it does here, or why it does not."""

    remedy: str | None = None
    """How to have it; None if it holds, or if Hive keeps its promises without."""


def inspect_fences(control_group: str | None = None, *, proc: Path = PROC) -> Iterator[Fence]:
    """Return every fence, held or not, as this process's user would have it.

    Args:
        control_group: the setting `command.control_group`.
        proc: where the kernel tells of processes.
    """
    yield _trees(proc)
    yield _limits()
    yield _memory()
    yield _no_control_group(proc) if control_group is None else _control_group(Path(control_group))


def _trees(proc: Path) -> Fence:
    """Look at what the guardian stands on: without it, a command may leave processes behind."""
    own = proc / "self"
    lacks = [
        what
        for what, is_there in (
            ("PR_SET_CHILD_SUBREAPER", is_subreaping_known()),
            ("pidfd_open", _has_pidfd()),
            (f"{own}/task/*/children", any(own.glob("task/*/children"))),
            (f"{own}/environ", os.access(own / "environ", os.R_OK)),
        )
        if not is_there
    ]
    name = "fence: process trees"
    if lacks:
        return Fence(
            name=name,
            holds=False,
            found=f"missing: {', '.join(lacks)}",
            remedy="run workers on Linux 5.3 or later, with /proc mounted and CONFIG_PROC_CHILDREN",
        )
    found = "guardian, sessions, subreaper and marker: nothing outlives its attempt or its worker"
    return Fence(name=name, holds=True, found=found)


def _limits() -> Fence:
    held = "memory, cpu_seconds, files and nice hold, for each process"
    if os.geteuid() == 0:
        found = f"{held}; processes does not, because Linux does not count those of root"
    else:
        found = f"{held}; processes holds, for all of this user together"
    return Fence(name="fence: limits", holds=True, found=found)


def _memory() -> Fence:
    name = "fence: memory shortage"
    if OwnOomScore().can_be_raised:
        return Fence(name=name, holds=True, found="oom_score_adj: commands are killed before Hive")
    found = "oom_score_adj cannot be written here: the kernel may kill Hive before a command"
    return Fence(name=name, holds=False, found=found)


def _no_control_group(proc: Path) -> Fence:
    """Say what there is; Hive uses none that nobody has given it."""
    return Fence(
        name=GROUPS,
        holds=False,
        found="not used (command.control_group), so no limit is of a whole tree; here: "
        f"{_found_control_groups(proc)}",
    )


def _control_group(place: Path) -> Fence:
    """Say what the group can do that commands are to have theirs in."""
    try:
        os.close(os.open(place / "cgroup.procs", os.O_WRONLY))
        offered = (place / "cgroup.controllers").read_text().split()
    except OSError as error:
        return Fence(
            name=GROUPS,
            holds=False,
            found=f"{place} cannot be used: {error.strerror}",
            remedy="have command.control_group name one of version 2 that is the worker's",
        )
    held = [each for each in ("memory", "pids", "cpu") if each in offered]
    limits = f"trees are bounded by {', '.join(held)}" if held else "no limit is of a whole tree"
    return Fence(name=GROUPS, holds=True, found=f"below {place}: trees end at once; {limits}")


def _found_control_groups(proc: Path) -> str:
    try:
        mounts = [line.split() for line in (proc / "self/mountinfo").read_text().splitlines()]
        kinds = [(words[words.index("-") + 1], Path(words[4])) for words in mounts]
        unified = next((place for kind, place in kinds if kind == "cgroup2"), None)
        if unified is None:
            return "version 1" if any(kind == "cgroup" for kind, _ in kinds) else "none"
        controllers = (unified / "cgroup.controllers").read_text().split()
    except (OSError, ValueError) as error:
        return f"unknown ({error})"
    wanted = [each for each in ("memory", "pids", "cpu") if each in controllers]
    return f"version 2 with {', '.join(wanted) or 'no controller for memory, pids or cpu'}"


def _has_pidfd() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True
