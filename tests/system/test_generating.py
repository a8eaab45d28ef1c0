"""Texts and vectors through a real Hive: in batches, called off, and with a process killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from folders import bert_folder, plain_folder

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_generation.models import Models
from hive_generation.settings import InferenceSettings
from hive_inference.messages import Generate, Piece, Sampling
from hive_telemetry.metrics import Metrics
from hive_testkit.cluster import Cluster
from hive_testkit.processes import is_alive
from hive_testkit.waiting import until

pytestmark = pytest.mark.timeout(400)

WITHIN = timedelta(minutes=5)
PATIENCE_SECONDS = 120
ENDLESS = 10**9


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    plain_folder(root / "gpt")
    bert_folder(root / "bert")
    return root


def start(cluster: Cluster, shelf: Path, *, port: int | None = None, **settings: object) -> None:
    """Start a queen, and a worker that has the models."""
    cluster.start("queen", "queen")
    said = {
        "inference_path": shelf,
        "inference_cache": shelf / "cache",
        "inference_nice": 0,
        "worker_grace_seconds": 0,
    } | settings
    if port is not None:
        said["worker_metrics_port"] = port
    env = {f"HIVE_{name.upper()}": str(value) for name, value in said.items()}
    cluster.start("worker", "worker", env=env)


def text_task(seed: int, *, max_tokens: int, **terms: Any) -> NewTask:
    payload = {"model": "gpt", "prompt": "ABC", "max_tokens": max_tokens, "seed": seed}
    return NewTask(kind="generate", payload=payload, **terms)


async def text_of_its_own(shelf: Path, seed: int, *, max_tokens: int) -> str:
    """Return what a seed says when nothing runs beside it."""
    settings = InferenceSettings(path=(shelf,), cache=shelf / "cache", processes=1, nice=0)
    ask = Generate(model="gpt", prompt="ABC", max_tokens=max_tokens, sampling=Sampling(seed=seed))
    async with Models.open(settings, Metrics()) as models, aclosing(models.generate(ask)) as news:
        return "".join([item.text async for item in news if isinstance(item, Piece)])


def engines_of(cluster: Cluster) -> list[int]:
    below = psutil.Process(cluster.processes["worker"].pid).children()
    return [each.pid for each in below if "hive_inference.host.child" in " ".join(_words(each))]


def _words(process: psutil.Process) -> Sequence[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return ()


def has_numpy(pid: int) -> bool:
    return "_multiarray_umath" in Path(f"/proc/{pid}/maps").read_text()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def scraped(port: int, sample: str) -> float:
    """Return a sample of the worker's metrics; 0 if it is not there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
            lines = page.read().decode().splitlines()
    except OSError:
        return 0
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample)), 0)


async def running(port: int) -> float:
    name = 'hive_model_requests{model="gpt",state="running"}'
    return await asyncio.to_thread(scraped, port, name)


async def test_two_hundred_tasks_share_a_batch_and_each_has_its_own_text(
    cluster: Cluster, hive: Hive, shelf: Path
) -> None:
    port = free_port()
    start(cluster, shelf, port=port, worker_slots=64, inference_processes=1)
    tasks = [text_task(seed, max_tokens=400) for seed in range(200)]
    task_ids = await hive.submit_many(tasks)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(hive.wait_for_all(task_ids, within=WITHIN))

        async def is_batched() -> bool:
            return waiting.done() or await running(port) >= 16

        await until(is_batched, within_seconds=PATIENCE_SECONDS)
        assert not waiting.done(), "they did not run together"
    ended = waiting.result()
    texts = [each.result["text"] for each in ended]
    assert {each.state for each in ended} == {TaskState.SUCCEEDED}
    assert len(set(texts)) == 200
    for seed in (0, 123):
        assert texts[seed] == await text_of_its_own(shelf, seed, max_tokens=400)
    tokens = 'hive_model_tokens_total{direction="out",model="gpt"}'
    other = 'hive_model_tokens_total{model="gpt",direction="out"}'
    assert scraped(port, tokens) + scraped(port, other) == 200 * 400
    [engine] = engines_of(cluster)
    assert has_numpy(engine)
    assert not has_numpy(cluster.processes["worker"].pid)


async def test_a_killed_process_costs_its_running_tasks_no_attempt_and_the_others_nothing(
    cluster: Cluster, hive: Hive, shelf: Path
) -> None:
    port = free_port()
    start(cluster, shelf, port=port, worker_slots=8, inference_processes=2)
    await hive.wait(
        await hive.submit("generate", text_task(0, max_tokens=1).payload), within=WITHIN
    )
    await until(lambda: len(engines_of(cluster)) == 2, within_seconds=PATIENCE_SECONDS)
    room = 'hive_model_batch_room{model="gpt"}'
    await until(lambda: scraped(port, room) == 64, within_seconds=PATIENCE_SECONDS)
    task_ids = await hive.submit_many([text_task(seed, max_tokens=4000) for seed in range(8)])

    async def all_run() -> bool:
        return await running(port) == 8

    await until(all_run, within_seconds=PATIENCE_SECONDS)
    os.kill(engines_of(cluster)[0], signal.SIGKILL)
    ended = await hive.wait_for_all(task_ids, within=WITHIN)
    assert {each.state for each in ended} == {TaskState.SUCCEEDED}
    records = [await hive.show(task_id) for task_id in task_ids]
    hit = [seed for seed, record in enumerate(records) if record.history]
    assert 1 <= len(hit) <= 4
    for seed in hit:
        [past] = records[seed].history
        assert past.outcome == OutcomeName.RELEASED
        assert past.error == "the process that was at this request is gone"
        assert (records[seed].failures, records[seed].losses) == (0, 0)
    expected = await text_of_its_own(shelf, hit[0], max_tokens=4000)
    assert ended[hit[0]].result["text"] == expected
    await until(lambda: len(engines_of(cluster)) == 2, within_seconds=PATIENCE_SECONDS)


async def test_an_endless_text_is_followed_called_off_and_leaves_its_place_at_once(
    cluster: Cluster, hive: Hive, shelf: Path
) -> None:
    start(cluster, shelf, worker_slots=4, inference_processes=1, inference_batch=1)
    [endless] = await hive.submit_many([text_task(1, max_tokens=ENDLESS)])
    shown = await first_shown(cluster, endless)
    await hive.cancel(endless)
    assert (await hive.wait(endless, within=WITHIN)).state is TaskState.CANCELLED
    [late] = await hive.submit_many(
        [text_task(1, max_tokens=ENDLESS, timeout=timedelta(seconds=3), max_attempts=1)]
    )
    ended = await hive.wait(late, within=WITHIN)
    assert ended.outcome is OutcomeName.TIMED_OUT
    assert ended.result["tokens_out"] > 0
    [short] = await hive.submit_many([text_task(1, max_tokens=20)])
    text = (await hive.wait(short, within=WITHIN)).result["text"]
    assert text[: len(shown)] == shown[: len(text)]
    engines = engines_of(cluster)
    cluster.processes["worker"].kill()
    await until(lambda: not any(is_alive(pid) for pid in engines), within_seconds=60)


async def first_shown(cluster: Cluster, task_id: TaskId) -> str:
    """Return the beginning of what `hive logs -f` shows, while the task runs."""
    logs = [sys.executable, "-P", "-m", "hive", "logs", "-f", str(task_id)]
    urls = {"HIVE_DATABASE_URL": cluster.database_url, "HIVE_REDIS_URL": cluster.redis_url}
    with subprocess.Popen(logs, env=os.environ | urls, stdout=subprocess.PIPE) as following:  # noqa: ASYNC220
        try:
            assert following.stdout is not None
            return (await asyncio.to_thread(following.stdout.read, 10)).decode()
        finally:
            following.kill()


async def test_many_tasks_embed_many_texts_each(cluster: Cluster, hive: Hive, shelf: Path) -> None:
    start(cluster, shelf, worker_slots=8, inference_processes=1)
    texts = ["A", "BC", "DEF"]
    tasks = [
        NewTask(kind="embed", payload={"model": "bert", "texts": [*texts, str(n)]})
        for n in range(20)
    ]
    ended = await hive.wait_for_all(await hive.submit_many(tasks), within=WITHIN)
    vectors = [each.result["vectors"] for each in ended]
    assert {len(each) for each in vectors} == {4}
    for each in vectors:
        assert each[1] == pytest.approx(vectors[0][1], abs=1e-5)


async def test_a_worker_without_such_tasks_has_neither_numpy_nor_an_engine(
    cluster: Cluster, hive: Hive, shelf: Path
) -> None:
    start(cluster, shelf)
    call = await hive.submit("call", {"function": "hive_calls.demonstration:noop"})
    assert (await hive.wait(call, within=WITHIN)).state is TaskState.SUCCEEDED
    assert not has_numpy(cluster.processes["worker"].pid)
    assert engines_of(cluster) == []
