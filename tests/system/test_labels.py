"""Tasks that need labels, through a real Hive: only workers that have them all run them."""

import asyncio
import json
import re
import shlex
import signal
from datetime import timedelta
from pathlib import Path

import asyncpg
import psutil

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster
from hive_testkit.console import Console
from hive_testkit.waiting import until

WITHIN = timedelta(seconds=120)
PATIENCE_SECONDS = 120.0
TRUE = {"argv": ["true"]}
PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")
LABELS = PAGE.partition("## Weights")[0]


def console(cluster: Cluster) -> Console:
    urls = {"HIVE_DATABASE_URL": cluster.database_url, "HIVE_REDIS_URL": cluster.redis_url}
    return Console(cluster.folder / "console", urls)


async def process_of(hive: Hive, task_id: TaskId) -> int | None:
    return (await hive.tasks.read(task_id)).worker_pid


async def test_only_a_worker_that_has_what_a_task_needs_runs_it_also_one_that_starts_later(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    cluster.start("plain", "worker")
    needing = [await hive.submit("command", TRUE, needs=["gpu", "zone=eu"]) for _ in range(20)]
    plain = [await hive.submit("command", TRUE) for _ in range(20)]
    for task_id in plain:
        assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED
    shown = await asyncio.to_thread(console(cluster), "show", str(needing[0]))
    assert "needs     gpu, zone=eu" in shown.stdout
    assert "no living worker that serves queue 'default' has all of it" in shown.stdout
    found = json.loads(await cluster.printed("status", "--json"))["unmet_needs"]
    assert found == [{"queue": "default", "needs": ["gpu", "zone=eu"], "count": 20}]
    examined = await asyncio.to_thread(console(cluster), "doctor")
    assert "hive worker default --label gpu --label zone=eu" in examined.stdout

    cluster.start("half", "worker", "--label", "gpu")
    cluster.start("whole", "worker", "--label", "zone=eu", "--label", "gpu", "--label", "fast")
    for task_id in needing:
        assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED
        assert await process_of(hive, task_id) == cluster.processes["whole"].pid
    assert json.loads(await cluster.printed("status", "--json"))["unmet_needs"] == []
    assert "has zone=eu, gpu, fast" in (await cluster.printed("workers")).decode()
    assert {one["queue"] for one in json.loads(await cluster.printed("list", "--json"))} == {
        "default"
    }


async def test_a_worker_with_labels_runs_what_needs_none_and_what_needs_some_of_them(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker", "images", "default", "--label", "gpu", "--label", "fast")
    task_ids = [
        await hive.submit("command", TRUE, queue=queue, needs=needs)
        for queue in ("images", "default")
        for needs in ((), ("gpu",), ("fast",), ("fast", "gpu"))
    ]
    for task_id in task_ids:
        assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED


async def test_a_task_whose_worker_is_killed_is_run_again_by_another_that_has_its_labels(
    cluster: Cluster, hive: Hive, tmp_path: Path
) -> None:
    cluster.start("queen", "queen")
    cluster.start("plain", "worker")
    cluster.start("first", "worker", "--label", "gpu")
    gate = tmp_path / "gate"
    waiting = {"argv": ["sh", "-c", f"until [ -e {gate} ]; do sleep 0.1; done"]}
    task_id = await hive.submit("command", waiting, needs=["gpu"])

    async def runs() -> bool:
        return (await hive.tasks.read(task_id)).state is TaskState.RUNNING

    await until(runs, within_seconds=PATIENCE_SECONDS)
    first, second = cluster.processes["first"].pid, None
    assert await process_of(hive, task_id) == first
    cluster.start("second", "worker", "--label", "gpu")
    second = cluster.processes["second"].pid
    cluster.signal("first", signal.SIGKILL)

    async def runs_elsewhere() -> bool:
        record = await hive.tasks.read(task_id)
        return record.state is TaskState.RUNNING and record.worker_pid != first

    await until(runs_elsewhere, within_seconds=PATIENCE_SECONDS)
    assert await process_of(hive, task_id) == second
    assert psutil.pid_exists(cluster.processes["plain"].pid)
    gate.touch()
    assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED


async def test_a_worker_that_claims_for_itself_runs_what_needs_its_labels(
    cluster: Cluster, hive: Hive
) -> None:
    needing = await hive.submit("command", TRUE, needs=["gpu"])
    beyond = await hive.submit("command", TRUE, needs=["gpu", "fast"])
    cluster.start("worker", "worker", "--sync", "--label", "gpu")
    assert (await hive.wait(needing, within=WITHIN)).state is TaskState.SUCCEEDED
    assert (await hive.tasks.read(beyond)).state is TaskState.QUEUED


async def test_what_is_no_label_is_refused_in_words(cluster: Cluster) -> None:
    typed = console(cluster)
    for words in (
        ("submit", "command", "--payload", '{"argv": ["true"]}', "--needs", "g pu"),
        ("worker", "--label", "g pu"),
        ("worker", "--label", ""),
    ):
        refused = await asyncio.to_thread(typed, *words)
        assert refused.returncode == 2, refused
        assert "label" in refused.stderr


async def test_what_the_page_types_and_writes_runs_on_the_worker_that_it_starts(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    worker, submit, run = [
        shlex.split(line) for line in re.findall(r"^\$ hive (.*)$", LABELS, re.MULTILINE)
    ]
    [insert] = re.findall(r"```sql\n(.*?);\n```", LABELS, re.DOTALL)
    cluster.start("worker", *worker)
    typed = console(cluster)
    submitted = await asyncio.to_thread(typed, *submit)
    connection = await asyncpg.connect(cluster.database_url)
    try:
        inserted = TaskId(await connection.fetchval(f"{insert} returning id"))
    finally:
        await connection.close()
    ran = await asyncio.to_thread(typed, *run[: run.index("--")], "--", "echo", "trained")
    assert ran.stdout == "trained\n"
    assert (await hive.wait(inserted, within=WITHIN)).state is TaskState.SUCCEEDED
    smi = await hive.wait(TaskId(int(submitted.stdout)), within=WITHIN)
    assert smi.state in (TaskState.SUCCEEDED, TaskState.FAILED)  # by whether the program is there
