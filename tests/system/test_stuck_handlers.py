"""Functions that ignore that they are called off: reported, abandoned, and replaced."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster, until

WITHIN = timedelta(seconds=60)
WORN_OUT = 75
FUNCTIONS = """
import asyncio, os, time
from pathlib import Path

async def ignore_cancellation(folder):
    Path(folder, "began").touch()
    while not Path(folder, "enough").exists():
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            Path(folder, "ignored").touch()
    Path(folder, "returned").touch()
    return "too late"

async def pid():
    return os.getpid()

def block_a_thread(folder):
    Path(folder, "began").touch()
    while True:
        try:
            time.sleep(600)
        except BaseException:
            Path(folder, "ignored").touch()
"""


def start(cluster: Cluster, **settings: str) -> None:
    (cluster.folder / "stubborn.py").write_text(FUNCTIONS)
    cluster.start("queen", "queen")
    env = {"HIVE_CALLS_PATH": str(cluster.folder), "HIVE_WORKER_SLOTS": "1"} | settings
    cluster.start("worker", "worker", "--allow", "stubborn", env=env)


async def stubborn_task(cluster: Cluster, hive: Hive, function: str) -> TaskId:
    payload = {"function": f"stubborn:{function}", "args": [str(cluster.folder)]}
    task_id = await hive.submit("call", payload, max_attempts=1)
    began = cluster.folder / "began"
    await until(began.exists, seconds=60, what="the function does not begin")
    return task_id


async def pid_of_worker(hive: Hive) -> int:
    task_id = await hive.submit("call", {"function": "stubborn:pid"})
    return (await hive.wait(task_id, within=WITHIN)).result


async def test_an_async_function_that_ignores_it_loses_its_slot_and_its_say(
    cluster: Cluster, hive: Hive
) -> None:
    start(cluster, HIVE_WORKER_STUCK_AFTER_SECONDS="1")
    task_id = await stubborn_task(cluster, hive, "ignore_cancellation")
    await hive.cancel(task_id)
    ended = await hive.wait(task_id, within=WITHIN)
    assert ended.state is TaskState.CANCELLED
    assert ended.error == "it did not stop within 1 s and was abandoned"
    assert Path(cluster.folder, "ignored").exists()
    assert await pid_of_worker(hive) == cluster.processes["worker"].pid

    async def is_shown() -> bool:
        [worker] = json.loads(await cluster.printed("workers", "--json"))["workers"]
        return worker["stuck"] == 1 and worker["stuck_seconds"] >= 0

    async with asyncio.timeout(60):
        while True:
            if await is_shown():
                break
            await asyncio.sleep(0.2)
    assert b", 1 stuck " in await cluster.printed("workers")
    assert b"1 stuck" in await cluster.printed("status")

    Path(cluster.folder, "enough").touch()
    await until(Path(cluster.folder, "returned").exists, seconds=60, what="it goes on")
    assert await pid_of_worker(hive) == cluster.processes["worker"].pid
    assert (await hive.show(task_id)).result is None


async def test_a_worker_with_too_many_of_them_leaves_with_a_code_of_its_own(
    cluster: Cluster, hive: Hive
) -> None:
    start(cluster, HIVE_WORKER_STUCK_AFTER_SECONDS="1", HIVE_WORKER_MAX_ABANDONED="1")
    task_id = await stubborn_task(cluster, hive, "ignore_cancellation")
    await hive.cancel(task_id)
    assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.CANCELLED
    code = await asyncio.to_thread(cluster.processes["worker"].wait, 60)
    assert code == WORN_OUT
    assert json.loads(await cluster.printed("workers", "--json"))["workers"] == []


async def test_a_sync_function_that_ignores_it_is_killed_with_its_child(
    cluster: Cluster, hive: Hive
) -> None:
    start(cluster, HIVE_CALLS_GRACE_SECONDS="1")
    task_id = await stubborn_task(cluster, hive, "block_a_thread")
    await hive.cancel(task_id)
    ended = await hive.wait(task_id, within=WITHIN)
    assert (ended.state, ended.error) == (TaskState.CANCELLED, None)
    assert await pid_of_worker(hive) == cluster.processes["worker"].pid
