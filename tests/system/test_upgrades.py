"""Upgrading machine by machine: who may go on with a newer schema goes on, who may not leaves."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

from hive_client import Hive
from hive_contracts.states import TaskState
from hive_store import migrate
from hive_testkit.cluster import Cluster
from hive_testkit.schemas import TOMORROW, migrations_of_tomorrow
from hive_testkit.waiting import until

WITHIN = timedelta(seconds=30)
USED_WRONGLY = 2


async def ended(cluster: Cluster, name: str) -> tuple[int, str]:
    """Return the exit code of a process that ends by itself, and what it has said."""
    code = await asyncio.to_thread(cluster.processes[name].wait, 30)
    return code, (cluster.folder / f"{name}.log").read_text()


async def test_a_schema_that_bears_them_leaves_older_programs_at_work(
    cluster: Cluster, hive: Hive, tmp_path: Path
) -> None:
    cluster.start("worker", "worker")
    await migrate(cluster.database_url, folder=migrations_of_tomorrow(tmp_path))
    cluster.start("queen", "queen")
    task_ids = await cluster.submit(hive, 4)
    await hive.wait_for_all(task_ids, within=WITHIN)
    said = (cluster.folder / "queen.log").read_text()
    assert said.count(f"schema {TOMORROW} of Hive, newer than this Hive's") == 1


async def test_a_schema_that_does_not_bear_them_has_older_programs_leave_in_good_order(
    cluster: Cluster, hive: Hive, tmp_path: Path
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    pipe = cluster.folder / "pipe"
    os.mkfifo(pipe)
    running = await hive.submit("command", {"argv": ["sh", "-c", f'read line < "{pipe}"']})

    async def is_running() -> bool:
        return (await hive.show(running)).state is TaskState.RUNNING

    await until(is_running, within_seconds=30)
    tomorrow = migrations_of_tomorrow(tmp_path, compatible_from=TOMORROW)
    await migrate(cluster.database_url, folder=tomorrow)

    await until(
        lambda: "draining" in (cluster.folder / "worker.log").read_text(), within_seconds=30
    )
    await asyncio.to_thread(pipe.write_text, "done\n")
    for name in ("queen", "worker"):
        code, said = await ended(cluster, name)
        assert code == USED_WRONGLY, said
        assert f"schema {TOMORROW} of Hive, newer than this Hive's" in said
        assert "upgrade Hive on this machine" in said
    record = await hive.show(running)
    assert (record.state, record.losses) == (TaskState.SUCCEEDED, 0)

    cluster.start("late", "worker")
    code, said = await ended(cluster, "late")
    assert code == USED_WRONGLY
    assert "upgrade Hive on this machine" in said
