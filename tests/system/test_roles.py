"""Queens and workers as they are run: several processes, one task at a time, draining, scraped."""

import asyncio
import os
import signal
import socket
import urllib.request
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster, until

WITHIN = timedelta(seconds=60)


async def reaches(hive: Hive, task_id: TaskId, state: TaskState) -> None:
    """Return once the task is in that state."""
    async with asyncio.timeout(30):
        while True:
            if (await hive.show(task_id)).state is state:
                return
            await asyncio.sleep(0.02)


async def waiting_task(cluster: Cluster, hive: Hive) -> tuple[TaskId, Path]:
    """Submit a command that waits until somebody opens a pipe for writing."""
    pipe = cluster.folder / f"pipe-{len(list(cluster.folder.glob('pipe-*')))}"
    os.mkfifo(pipe)
    payload = {"argv": ["sh", "-c", f'read line < "{pipe}"; echo "$line"']}
    return await hive.submit("command", payload), pipe


async def test_one_command_runs_several_worker_processes(cluster: Cluster, hive: Hive) -> None:
    cluster.start("queen", "queen")
    cluster.start("workers", "worker", "--async", "--processes", "2", "--slots", "2")
    task_ids = await cluster.submit(hive, 20)
    await hive.wait_for_all(task_ids, within=WITHIN)
    assert len({(await hive.show(task_id)).worker_pid for task_id in task_ids}) == 2
    cluster.signal("workers", signal.SIGTERM)
    assert await asyncio.to_thread(cluster.processes["workers"].wait, 20) == 0
    assert (await cluster.count(hive)).succeeded == 20


async def test_the_sync_worker_works_alone_and_one_task_at_a_time(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("worker", "worker", "--sync")
    task_ids = await cluster.submit(hive, 10)
    await hive.wait_for_all(task_ids, within=WITHIN)
    records = [await hive.show(task_id) for task_id in task_ids]
    spans = sorted((r.started_at, r.finished_at) for r in records if r.started_at and r.finished_at)
    assert len(spans) == 10
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    cluster.signal("worker", signal.SIGTERM)
    assert await asyncio.to_thread(cluster.processes["worker"].wait, 20) == 0


async def test_a_draining_worker_finishes_what_runs_and_gives_back_the_rest(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker", "--slots", "1")
    running, pipe = await waiting_task(cluster, hive)
    await reaches(hive, running, TaskState.RUNNING)
    waiting, _ = await waiting_task(cluster, hive)
    cluster.signal("worker", signal.SIGTERM)
    await until(
        lambda: "draining" in (cluster.folder / "worker.log").read_text(),
        seconds=10,
        what="it does not drain",
    )
    await asyncio.to_thread(pipe.write_text, "done\n")
    assert (await hive.wait(running, within=WITHIN)).state is TaskState.SUCCEEDED
    assert await asyncio.to_thread(cluster.processes["worker"].wait, 20) == 0
    record = await hive.show(waiting)
    assert record.state in {TaskState.QUEUED, TaskState.DISPATCHED}
    assert record.failures == record.losses == 0


async def test_a_second_signal_stops_what_runs_and_gives_it_back_uncounted(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker", "--slots", "1")
    running, pipe = await waiting_task(cluster, hive)
    await reaches(hive, running, TaskState.RUNNING)
    cluster.signal("worker", signal.SIGTERM)
    await until(
        lambda: "draining" in (cluster.folder / "worker.log").read_text(),
        seconds=10,
        what="it does not drain",
    )
    cluster.signal("worker", signal.SIGTERM)
    assert await asyncio.to_thread(cluster.processes["worker"].wait, 20) == 0
    assert not cluster.left_running()
    record = await hive.show(running)
    assert record.state in {TaskState.QUEUED, TaskState.DISPATCHED}
    assert [attempt.outcome for attempt in record.history] == ["released"]
    assert record.failures == record.losses == 0
    cluster.start("worker-2", "worker", "--slots", "1")
    await reaches(hive, running, TaskState.RUNNING)
    await asyncio.to_thread(pipe.write_text, "done\n")
    assert (await hive.wait(running, within=WITHIN)).state is TaskState.SUCCEEDED


async def test_a_running_task_is_cancelled_and_its_process_is_gone(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    running, _ = await waiting_task(cluster, hive)
    await reaches(hive, running, TaskState.RUNNING)
    assert await hive.cancel(running) == {running: TaskState.RUNNING}
    ended = await hive.wait(running, within=timedelta(seconds=10))
    assert ended.state is TaskState.CANCELLED
    assert not cluster.left_running()


@pytest.mark.parametrize(
    ("role", "other", "metric"),
    [
        ("queen", "worker", "hive_claimed_tasks"),
        ("worker", "queen", "hive_tasks_finished"),
    ],
)
async def test_prometheus_can_read_what_happened(
    cluster: Cluster,
    hive: Hive,
    role: str,
    other: str,
    metric: str,
) -> None:
    port = free_port()
    cluster.start(role, role, env={f"HIVE_{role.upper()}_METRICS_PORT": str(port)})
    cluster.start(other, other)
    task_ids = await cluster.submit(hive, 12)
    await hive.wait_for_all(task_ids, within=WITHIN)
    text = await asyncio.to_thread(scrape, port)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert sum(s.value for s in families[metric].samples if s.name.endswith("_total")) == 12


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return answer.read().decode()
