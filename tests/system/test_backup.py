"""A backup that is made while queens and workers run is a Hive that goes on where it was."""

import asyncio
import json
import os
import signal
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest

from hive_client import Hive
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster, check, running_cluster, some_have_ended
from hive_testkit.plugin import fresh_database

WITHIN = timedelta(seconds=60)
TASKS = 24


@pytest.fixture
def other_url(postgres_server: str, postgres_template: str) -> Generator[str]:
    """Another database, migrated and empty."""
    with fresh_database(postgres_server, postgres_template) as url:
        yield url


async def test_a_backup_of_a_busy_hive_goes_on_elsewhere_and_every_task_ends_once(
    cluster: Cluster, hive: Hive, other_url: str, tmp_path: Path
) -> None:
    file, pipe = str(tmp_path / "hive.backup"), tmp_path / "pipe"
    os.mkfifo(pipe)
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    waiting = await hive.submit("command", {"argv": ["sh", "-c", f'read line < "{pipe}"']})
    task_ids = await cluster.submit(hive, TASKS)
    await some_have_ended(hive, task_ids, 4)
    saved = json.loads(await cluster.printed("backup", file, "--json"))
    assert saved["rows"]["task"] == TASKS + 1
    cluster.signal("worker", signal.SIGKILL)
    await asyncio.to_thread(cluster.stop)

    folder = tmp_path / "second"
    folder.mkdir()
    async with running_cluster(other_url, cluster.redis_url, folder) as second:
        second.submitted = cluster.submitted
        second.start("queen", "queen")
        found = json.loads(await second.printed("restore", file, "--json"))
        assert found["tasks"] == TASKS + 1
        assert found["queued_again"] >= 1
        second.start("worker", "worker")
        async with Hive.connect(other_url, cluster.redis_url) as elsewhere:
            await elsewhere.wait_for_all(task_ids, within=WITHIN)
            await asyncio.to_thread(pipe.write_text, "done\n")
            ended = await elsewhere.wait(waiting, within=WITHIN)
            assert (ended.state, ended.attempt) == (TaskState.SUCCEEDED, 1)
            assert (await check(second, elsewhere)).succeeded == TASKS
            assert await elsewhere.submit("command", {"argv": ["true"]}) == max(task_ids) + 1
