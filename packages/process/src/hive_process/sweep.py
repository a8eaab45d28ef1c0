"""Ending what was left behind by guardians that are gone: run when a worker starts.

A guardian that is killed with its worker (out of memory, a service manager's last resort) leaves
trees that nobody watches. Each of their processes still carries the marker of that guardian
(`procfs`); a process whose marker names a guardian that no longer lives is killed.

What is left alone: processes whose environment this one may not read; markers of another boot or
processes of another pid or time namespace, where its numbers mean something else (such a marker was
copied, or belongs to a container with guardians of its own); and this process with its ancestors.
"""

import os
import select
import signal

from hive_process import procfs

__all__ = ["sweep_abandoned"]

_MOST_ROUNDS = 100
_NUMBERING = sorted({"pid", "time"} & {*os.listdir("/proc/self/ns")})  # noqa: PTH208
"""Namespaces by which processes are numbered, and their starts; the second came with Linux 5.6."""

_DEATH_SECONDS = 1.0
"""Longest wait for one killed process to be gone, so that the next look does not meet it."""


def sweep_abandoned() -> tuple[int, ...]:
    """Kill every process on this machine whose guardian is gone; return their pids.

    Looks again until nothing is found, because what forks while it is looked at would be missed.
    """
    killed: list[int] = []
    spared = _self_and_ancestors()
    for _ in range(_MOST_ROUNDS):
        abandoned = [pid for pid in procfs.pids() if pid not in spared and _is_abandoned(pid)]
        if not abandoned:
            break
        killed += [pid for pid in abandoned if _kill_if_abandoned(pid)]
    return tuple(dict.fromkeys(killed))


def _is_abandoned(pid: int) -> bool:
    marks = procfs.marks_of(pid)
    return bool(marks) and _counts_as_we_do(pid) and not all(map(_has_guardian, marks))


def _has_guardian(mark: bytes) -> bool:
    """Return whether the guardian lives that `mark` names, or cannot be judged from here."""
    boot, _, rest = mark.decode(errors="replace").partition(":")
    pid, _, rest = rest.partition(":")
    if boot != procfs.boot_id() or not pid.isdigit():
        return True
    return procfs.guard_of(int(pid)) == f"{boot}:{pid}:{rest.partition(':')[0]}"


def _counts_as_we_do(pid: int) -> bool:
    """Return whether pids and start times mean the same to `pid` as to this process."""
    try:
        return all(
            os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115
            for name in _NUMBERING
        )
    except OSError:
        return False


def _self_and_ancestors() -> set[int]:
    line: set[int] = set()
    pid = os.getpid()
    while pid and pid not in line and (status := procfs.status_of(pid)):
        line.add(pid)
        pid = status.parent
    return line


def _kill_if_abandoned(pid: int) -> bool:
    """Kill `pid`, and wait until it is dead. Its descriptor cannot come to mean another."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not _is_abandoned(pid):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], _DEATH_SECONDS)
    except (ProcessLookupError, PermissionError):
        return False
    else:
        return True
    finally:
        os.close(descriptor)
