"""What processes have cost: processor time and memory, read from /proc.

Counted are a process, everything below it, and what has ended below it and was waited for; so a
Postgres is counted with all its connections, also those that are closed.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

__all__ = ["cpu_seconds", "own_cpu_seconds", "resident_mib", "resident_mib_of_worker"]

MIB = 1024 * 1024

GUARDIAN: Final = "hive-guardian"
"""What the kernel calls it."""


def cpu_seconds(pids: Mapping[str, list[int]]) -> dict[str, float]:
    """Return by role the processor time that its processes have used so far."""
    return {role: sum(map(_cpu_seconds_of_tree, found)) for role, found in pids.items()}


def resident_mib(pids: Mapping[str, list[int]]) -> dict[str, float]:
    """Return by role the resident memory of its processes; what is below them is apart."""
    sizes: dict[str, float] = {}
    for role, found in pids.items():
        for pid in found:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                below = [_resident(child) for child in process.children(recursive=True)]
                sizes[role] = sizes.get(role, 0.0) + _resident(process)
                if below:
                    sizes[f"below {role}"] = sizes.get(f"below {role}", 0.0) + sum(below)
    return sizes


def resident_mib_of_worker(pid: int) -> float:
    """Return the resident memory of a worker and its guardian, without what that guards."""
    return sum(map(_resident, _worker_and_guardian(pid)))


def own_cpu_seconds(pid: int) -> float:
    """Return the processor time of a worker and its guardian, to the nanosecond: no child's."""
    return sum(
        int(path.read_text().split()[0]) / 1e9
        for process in _worker_and_guardian(pid)
        for path in Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    )


def _worker_and_guardian(pid: int) -> list[psutil.Process]:
    worker = psutil.Process(pid)
    return [worker, *(child for child in worker.children() if child.name() == GUARDIAN)]


def _resident(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        return process.memory_info().rss / MIB
    return 0.0


def _cpu_seconds_of_tree(pid: int) -> float:
    try:
        top = psutil.Process(pid)
        return sum(map(_cpu_seconds, (top, *top.children(recursive=True))))
    except psutil.NoSuchProcess:
        return 0.0


def _cpu_seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system + times.children_user + times.children_system
    return 0.0
