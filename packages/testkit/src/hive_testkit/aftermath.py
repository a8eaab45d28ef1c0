"""What became of tasks that behave badly, and of the good ones beside them.

All of them run at once on one cluster, and each is looked at afterwards: a module of cases costs
one start of the processes, and every case has neighbours that it could harm.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask, TaskRecord
from hive_testkit.cluster import Cluster

__all__ = ["Aftermath", "look_at", "peak_bytes", "submit_cases"]

WITHIN: Final = timedelta(seconds=90)


@dataclass(kw_only=True)
class Aftermath:
    """The ends of all cases, by the name of the case."""

    records: dict[str, TaskRecord]
    output: dict[str, bytes]
    peaks_bytes: dict[str, int] = field(default_factory=dict[str, int])
    """The most memory that each worker ever held."""


async def submit_cases(hive: Hive, cases: Mapping[str, NewTask]) -> dict[str, TaskId]:
    """Submit every case in one statement, so that they meet in bundles; return their ids."""
    return dict(zip(cases, await hive.submit_many(list(cases.values())), strict=True))


async def look_at(cluster: Cluster, hive: Hive, task_ids: Mapping[str, TaskId]) -> Aftermath:
    """Wait for the end of all cases, and say what became of them."""
    await hive.wait_for_all(list(task_ids.values()), within=WITHIN)
    found = Aftermath(records={}, output={})
    for name, task_id in task_ids.items():
        found.records[name] = await hive.show(task_id)
        found.output[name] = b"".join(p.data for p in await hive.tasks.read_output(task_id))
    for name, process in cluster.processes.items():
        if process.poll() is None:
            found.peaks_bytes[name] = peak_bytes(process.pid)
    return found


def peak_bytes(pid: int) -> int:
    """Return the most memory that a living process ever held."""
    [kibibytes] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kibibytes) * 1024
