"""Kill a worker that is in the middle of its work, as a machine that loses power would.

It is frozen first: what the store says of a frozen worker is still true a moment later, so that it
is certain that the one who dies held running tasks.
"""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hive import up_state
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_store import TaskStore

__all__ = ["Killed", "kill_a_working_worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A worker that was killed."""

    name: str
    pid: int
    running: int
    """How many tasks it was running."""


async def kill_a_working_worker(
    data_dir: Path, tasks: TaskStore, unfinished: Sequence[TaskId]
) -> Killed | None:
    """SIGKILL a worker that runs tasks; None if none does at this moment."""
    state = up_state.read(data_dir)
    for process in state.processes if state else ():
        if not process.name.startswith("worker") or process.pid is None:
            continue
        running = 0
        # It may die by itself, or have done so: then another is looked for.
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)
            try:
                running = await _running(tasks, unfinished, process.pid)
            finally:
                os.kill(process.pid, signal.SIGKILL if running else signal.SIGCONT)
        if running:
            return Killed(name=process.name, pid=process.pid, running=running)
    return None


async def _running(tasks: TaskStore, unfinished: Sequence[TaskId], pid: int) -> int:
    records = await tasks.read_many(unfinished)
    return sum(r.state is TaskState.RUNNING and r.worker_pid == pid for r in records)
