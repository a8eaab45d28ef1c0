"""That nothing is left of the demonstration: no process anywhere."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from hive_contracts.clocks import BootClock
from hive_process import procfs

__all__ = ["LOCK", "PREFIX", "wait_for_leftovers"]

PREFIX: Final = "hive-demo-"
LOCK: Final = "up.lock"
"""What a demonstration holds in its directory for as long as it goes on."""

PATIENCE_SECONDS: Final = 5.0
"""How long processes that are on their way out may take."""

LOOK_SECONDS: Final = 0.05


async def wait_for_leftovers(data_dir: Path) -> list[int]:
    """Return the processes of the demonstration that will not go.

    They are all found: this process adopts orphans (it is a subreaper), so whatever was started,
    by whomever, is below it; and whatever names the directory, in its arguments or its environment,
    is found wherever it is.
    """
    clock = BootClock()
    deadline = clock.seconds() + PATIENCE_SECONDS
    while True:
        left = await asyncio.to_thread(_living, data_dir)
        if not left or clock.seconds() >= deadline:
            return left
        await asyncio.sleep(LOOK_SECONDS)


def _living(data_dir: Path) -> list[int]:
    _bury_adopted()
    below = set(_descendants(os.getpid()))
    mark = os.fsencode(data_dir)
    named = {pid for pid in procfs.pids() if pid != os.getpid() and _names(pid, mark)}
    return sorted(pid for pid in below | named if _is_alive(pid))


def _bury_adopted() -> None:
    """Wait for orphans that have ended: nobody else will."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for child in procfs.children_of(pid):
        found += [child, *_descendants(child)]
    return found


def _names(pid: int, mark: bytes) -> bool:
    try:
        return any(mark in procfs.read(f"/proc/{pid}/{file}") for file in ("cmdline", "environ"))
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    status = procfs.status_of(pid)
    return status is not None and not status.is_dead
