"""Tasks that take several slots, in a real Hive: they fit, and start whatever else waits."""

import asyncio
import json
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import asyncpg

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_testkit.cluster import Cluster
from hive_testkit.console import Console
from hive_testkit.waiting import until

WITHIN = timedelta(seconds=120)
PATIENCE_SECONDS = 120.0
TRUE = {"argv": ["true"]}
DERIVATION = """
import hashlib, time
began = time.monotonic_ns()
hashlib.pbkdf2_hmac("sha256", b"hive", b"salt", 100_000)
print(began, time.monotonic_ns())
"""
PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Slots")[2]
MANY = 30_000
SLOTS = 4
"""Of the cluster's workers."""


def console(cluster: Cluster) -> Console:
    urls = {"HIVE_DATABASE_URL": cluster.database_url, "HIVE_REDIS_URL": cluster.redis_url}
    return Console(cluster.folder / "console", urls)


def gated(gate: Path) -> NewTask:
    """Return a command that runs until there is a file."""
    argv = ["sh", "-c", f"until [ -e {gate} ]; do sleep 0.1; done"]
    return NewTask(kind="command", payload={"argv": argv})


async def running(hive: Hive, task_ids: list[TaskId]) -> list[TaskId]:
    states = await hive.tasks.states(task_ids)
    return [task_id for task_id in task_ids if states[task_id] is TaskState.RUNNING]


async def test_a_task_of_several_slots_starts_though_tasks_of_one_slot_never_run_out(
    cluster: Cluster, hive: Hive, tmp_path: Path
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    gates: dict[TaskId, Path] = {}
    for number in range(40):
        [task_id] = await hive.tasks.submit([gated(tmp_path / str(number))])
        gates[task_id] = tmp_path / str(number)
    light = list(gates)

    async def is_full() -> bool:
        return len(await running(hive, light)) == SLOTS

    await until(is_full, within_seconds=PATIENCE_SECONDS)
    heavy_gate = tmp_path / "heavy"
    heavy = await hive.submit("command", gated(heavy_gate).payload, slots=3)

    async def is_taken() -> bool:
        return (await hive.tasks.read(heavy)).worker_pid is not None

    while not await is_taken():
        before = await running(hive, light)
        gates[before[0]].touch()

        async def has_moved_on(before: Sequence[TaskId] = before) -> bool:
            return await is_taken() or bool(set(await running(hive, light)) - set(before))

        await until(has_moved_on, within_seconds=PATIENCE_SECONDS)
    shown = await cluster.printed("show", str(heavy))
    assert b"it starts once 3 slots are free there" in shown

    async def has_started() -> bool:
        return (await hive.tasks.read(heavy)).state is TaskState.RUNNING

    for task_id in await running(hive, light):
        if not await has_started():
            gates[task_id].touch()
            await hive.wait(task_id, within=WITHIN)
    await until(has_started, within_seconds=PATIENCE_SECONDS)
    assert len(await running(hive, light)) <= SLOTS - 3
    states = (await hive.tasks.states(light)).values()
    assert sum(state is TaskState.QUEUED for state in states) > len(light) / 2

    heavy_gate.touch()
    assert (await hive.wait(heavy, within=WITHIN)).state is TaskState.SUCCEEDED
    for gate in gates.values():
        gate.touch()
    await hive.wait_for_all(light, within=WITHIN)


async def test_a_task_of_all_slots_starts_though_many_short_ones_never_run_out(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    noop = NewTask(kind="call", payload={"function": "hive_calls.demonstration:noop"})
    light = [await hive.tasks.submit([noop] * MANY) for _ in range(2)]
    await hive.wait(light[0][MANY // 20], within=WITHIN)
    heavy = await hive.submit("command", TRUE, slots=SLOTS)

    async def has_ended_though_there_are_more() -> bool:
        await hive.wait(light[-2][-1], within=WITHIN)
        light.append(await hive.tasks.submit([noop] * MANY))
        return (await hive.tasks.read(heavy)).state is TaskState.SUCCEEDED

    await until(has_ended_though_there_are_more, within_seconds=PATIENCE_SECONDS)


async def test_one_that_is_called_off_while_slots_are_kept_back_for_it_lets_them_go(
    cluster: Cluster, hive: Hive, tmp_path: Path
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    gate = tmp_path / "gate"
    [first] = await hive.tasks.submit([gated(gate)])

    async def is_running() -> bool:
        return await running(hive, [first]) == [first]

    await until(is_running, within_seconds=PATIENCE_SECONDS)
    heavy = await hive.submit("command", TRUE, slots=SLOTS)

    async def is_kept_back_for() -> bool:
        record = await hive.tasks.read(heavy)
        return record.state is TaskState.DISPATCHED and record.worker_pid is not None

    await until(is_kept_back_for, within_seconds=PATIENCE_SECONDS)
    await hive.cancel(heavy)
    assert (await hive.wait(heavy, within=WITHIN)).state is TaskState.CANCELLED
    light = await hive.submit("command", TRUE)
    assert (await hive.wait(light, within=WITHIN)).state is TaskState.SUCCEEDED
    gate.touch()
    assert (await hive.wait(first, within=WITHIN)).state is TaskState.SUCCEEDED


async def test_one_that_asks_for_more_than_any_worker_has_is_explained_and_runs_on_a_larger_one(
    cluster: Cluster, hive: Hive
) -> None:
    typed = console(cluster)
    cluster.start("queen", "queen")
    cluster.start("small", "worker")
    plain = await hive.submit("command", TRUE)
    assert (await hive.wait(plain, within=WITHIN)).state is TaskState.SUCCEEDED
    submitted = await asyncio.to_thread(
        typed, "submit", "command", "--slots", "8", "--payload", json.dumps(TRUE)
    )
    task_id = TaskId(int(submitted.stdout))
    reason = "needs 8 slots; the largest worker that serves queue 'default' has 4"
    shown = (await cluster.printed("show", str(task_id))).decode()
    assert reason in shown
    assert "start one with `hive worker default --slots 8`" in shown
    assert reason in (await cluster.printed("status")).decode()
    [unmet] = json.loads(await cluster.printed("status", "--json"))["unmet_needs"]
    assert (unmet["slots"], unmet["largest"], unmet["count"]) == (8, 4, 1)
    examined = await asyncio.to_thread(typed, "doctor")
    assert "hive worker default --slots 8" in examined.stdout

    cluster.start("large", "worker", "--slots", "8")
    assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED
    record = await hive.tasks.read(task_id)
    assert (record.slots, record.worker_pid) == (8, cluster.processes["large"].pid)


async def test_what_the_page_types_and_writes_takes_the_slots_that_it_says(
    cluster: Cluster, hive: Hive
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker", "--label", "gpu")
    submit, run = [
        shlex.split(line) for line in re.findall(r"^\$ hive (.*)$", SECTION, re.MULTILINE)
    ]
    [insert] = re.findall(r"```sql\n(.*?);\n```", SECTION, re.DOTALL)
    submitted = TaskId(int(await cluster.printed(*submit)))
    connection = await asyncpg.connect(cluster.database_url)
    try:
        inserted = TaskId(await connection.fetchval(f"{insert} returning id"))
    finally:
        await connection.close()
    ran = await cluster.printed(*run[: run.index("--")], "--", "echo", "trained")
    assert ran == b"trained\n"
    for task_id in (submitted, inserted):
        assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED
        assert (await hive.tasks.read(task_id)).slots == 2
    assert (await hive.tasks.read(inserted)).needs == ("gpu",)


async def test_whoever_sends_them_no_worker_runs_tasks_of_more_slots_than_it_has(
    cluster: Cluster, hive: Hive
) -> None:
    for name in ("first", "second"):
        cluster.start(f"{name} queen", "queen")
        cluster.start(f"{name} worker", "worker")
    connection = await asyncpg.connect(cluster.database_url)

    async def both_work() -> bool:
        return await connection.fetchval("select count(*) = 2 from hive.worker")

    await until(both_work, within_seconds=PATIENCE_SECONDS)
    await connection.close()
    payload = {"argv": [sys.executable, "-I", "-S", "-c", DERIVATION]}
    tasks = [
        NewTask(kind="command", payload=payload, slots=number % SLOTS + 1) for number in range(80)
    ]
    task_ids = await hive.submit_many(tasks)
    await hive.wait_for_all(task_ids, within=timedelta(minutes=5))
    changes: dict[int | None, list[tuple[int, int]]] = defaultdict(list)
    for task_id in task_ids:
        record = await hive.tasks.read(task_id)
        assert record.state is TaskState.SUCCEEDED
        output = b"".join(piece.data for piece in await hive.tasks.read_output(task_id))
        began, ended = map(int, output.split())
        changes[record.worker_pid] += [(began, record.slots), (ended, -record.slots)]
    assert set(changes) == {cluster.processes[f"{n} worker"].pid for n in ("first", "second")}
    for of_worker in changes.values():
        busy = 0
        for _, change in sorted(of_worker):
            busy += change
            assert busy <= SLOTS


async def test_slots_are_said_in_lines_of_json_and_to_map_as_well(
    cluster: Cluster, hive: Hive, tmp_path: Path
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    (tmp_path / "lines").write_text('{"slots": 3}\n{}\n')
    payload = json.dumps(TRUE)
    words = ("--payload", payload, "--slots", "2", "--ids", "--jsonl", str(tmp_path / "lines"))
    submitted = await cluster.printed("submit", "command", *words)
    task_ids = [TaskId(int(line)) for line in submitted.split()]
    await hive.wait_for_all(task_ids, within=WITHIN)
    assert [(await hive.tasks.read(task_id)).slots for task_id in task_ids] == [3, 2]
    (tmp_path / "wrong").write_text('{"slots": "3"}\n{"slots": 1001}\n')
    wrong = ("--payload", payload, "--jsonl", str(tmp_path / "wrong"))
    refused = await asyncio.to_thread(console(cluster), "submit", "command", *wrong)
    assert refused.returncode == 2
    assert 'slots is "3"; it must be a whole number' in refused.stderr
    each = ("--group", "mapped", "--slots", "2", "--", "echo", "{}")
    mapped = await asyncio.to_thread(console(cluster), "map", *each, stdin=b"a\nb\n")
    assert sorted(mapped.stdout.split()) == ["a", "b"]
    listed = json.loads(await cluster.printed("list", "--group", "mapped", "--json"))
    assert [(await hive.tasks.read(TaskId(one["id"]))).slots for one in listed] == [2, 2]
