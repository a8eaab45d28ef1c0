"""Signed and encrypted tasks through a real Hive: what runs, what is refused, what is stored."""

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_sealing import SealingSettings
from hive_testkit.cluster import Cluster
from hive_testkit.console import Console

WITHIN = timedelta(seconds=60)
SECRET = "the-name-of-the-patient"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    for key_id in ("sign-1", "sign-2", "crypt-1"):
        path = folder / f"{key_id}.key"
        path.touch(mode=0o600)
        path.write_bytes(base64.b64encode(os.urandom(32)))
    return folder


def environment(keys: Path, **settings: str) -> dict[str, str]:
    named = {f"HIVE_SEALING_{name.upper()}": value for name, value in settings.items()}
    return {"HIVE_SEALING_KEY_DIR": str(keys), **named}


def console(cluster: Cluster, more: Mapping[str, str]) -> Console:
    urls = {"HIVE_DATABASE_URL": cluster.database_url, "HIVE_REDIS_URL": cluster.redis_url}
    return Console(cluster.folder / "console", {**urls, **more})


async def test_a_worker_that_names_keys_runs_what_they_signed_and_refuses_the_rest_once(
    cluster: Cluster, hive: Hive, keys: Path
) -> None:
    cluster.start("queen", "queen")
    accepts = environment(keys, accept_signed_by="sign-1,sign-2")
    cluster.start("worker", "worker", env=accepts)
    payload = {"argv": ["echo", SECRET]}
    settings = SealingSettings(key_dir=keys, sign_with="sign-2")
    async with Hive.connect(cluster.database_url, cluster.redis_url, sealing=settings) as signing:
        signed = await signing.submit("command", payload, max_attempts=3)
        altered = await signing.submit(
            "command", {"argv": ["touch", "victim"]}, max_attempts=3, delay=timedelta(hours=1)
        )
    unsigned = await hive.submit("command", payload, max_attempts=3)
    await alter(cluster, altered)
    ended = await hive.wait(signed, within=WITHIN)
    assert ended.state is TaskState.SUCCEEDED, ended.error
    for task_id, reason in ((unsigned, "it is not signed"), (altered, "were altered since")):
        refused = await hive.wait(task_id, within=WITHIN)
        assert (refused.state, refused.attempt) == (TaskState.FAILED, 1)
        assert refused.error is not None
        assert reason in refused.error
    shown = await asyncio.to_thread(console(cluster, {}), "show", str(signed))
    assert "(signed with key sign-2)" in shown.stdout


async def alter(cluster: Cluster, task_id: TaskId) -> None:
    """Have a task do something else, as whoever may write to the table can."""
    connection = await asyncpg.connect(cluster.database_url)
    try:
        await connection.execute(
            "update hive.task set state = 'queued', run_at = now(),"
            " payload = jsonb_set(payload, '{payload,argv,1}', '\"other\"') where id = $1",
            task_id,
        )
    finally:
        await connection.close()


@pytest.mark.parametrize("mode", ["--async", "--sync"])
async def test_an_encrypted_task_is_opaque_in_postgres_and_runs_where_the_key_is(
    cluster: Cluster, hive: Hive, keys: Path, mode: str
) -> None:
    if mode == "--async":
        cluster.start("queen", "queen")
    cluster.start("worker", "worker", mode, env=environment(keys, accept_signed_by="sign-1"))
    sealing = environment(keys, sign_with="sign-1", encrypt_with="crypt-1")
    submitted = await asyncio.to_thread(
        console(cluster, sealing),
        "submit", "command", "--payload", f'{{"argv": ["test", "{SECRET}", "=", "x"]}}', "--wait",
    )  # fmt: skip
    assert submitted.returncode == 1, submitted.stderr
    task_id = TaskId(int(submitted.stdout.split()[0]))
    assert '"exit_code": 1' in submitted.stdout
    row = await stored(cluster, task_id)
    assert SECRET not in row
    assert "exit_code" not in row
    stranger, reader = console(cluster, {}), console(cluster, environment(keys))
    hidden = await asyncio.to_thread(stranger, "show", str(task_id))
    assert "payload   encrypted with key crypt-1 (signed with key sign-1)" in hidden.stdout
    assert "result    encrypted with key crypt-1" in hidden.stdout
    read = await asyncio.to_thread(reader, "show", str(task_id), "--full")
    assert SECRET in read.stdout
    assert '"exit_code": 1' in read.stdout
    told = await asyncio.to_thread(reader, "events", "--since", "1h", "--json")
    assert [json.loads(line)["type"] for line in told.stdout.splitlines()][-1] == "failed"
    assert SECRET not in told.stdout


async def test_people_speak_with_an_encrypted_task_as_with_any(
    cluster: Cluster, hive: Hive, keys: Path
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker", env=environment(keys))
    await asyncio.to_thread(_speak_with_encrypted_tasks, cluster, keys)


def _speak_with_encrypted_tasks(cluster: Cluster, keys: Path) -> None:
    sealing = console(cluster, environment(keys, encrypt_with="crypt-1"))
    stranger = console(cluster, {})
    # What enter sends is a carriage return at a terminal, and a line's end elsewhere.
    script = "stty raw -echo; echo begun; head -c 2 | od -An -tx1"
    at_terminal = submitted(sealing, "--pty", "--", "sh", "-c", script)
    terminal = stranger.on_terminal(["attach", at_terminal])
    terminal.expect("begun")
    assert stranger("send", at_terminal, "a", "--key", "enter").returncode == 0
    terminal.expect("61 0d")
    terminal.expect(f"task {at_terminal} succeeded")
    at_pipe = submitted(sealing, "--stdin", "open", "--", "od", "-An", "-tx1")
    refused = stranger.on_terminal(["attach", at_pipe])
    refused.expect(f"task {at_pipe}: it has no terminal; `hive logs -f` shows what it prints")
    sent = stranger("send", at_pipe, "a", "--key", "enter", "--eof")
    assert sent.returncode == 0, sent.stderr
    assert stranger("logs", "--follow", at_pipe).stdout == " 61 0a\n"


def submitted(sealing: Console, *words: str) -> str:
    done = sealing("submit", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def stored(cluster: Cluster, task_id: TaskId) -> str:
    connection = await asyncpg.connect(cluster.database_url)
    try:
        return await connection.fetchval(
            "select to_jsonb(t)::text from hive.task t where id = $1", task_id
        )
    finally:
        await connection.close()


async def test_a_sealed_task_at_a_worker_without_keys_fails_with_the_way_out(
    cluster: Cluster, hive: Hive, keys: Path
) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    settings = SealingSettings(key_dir=keys, encrypt_with="crypt-1")
    async with Hive.connect(cluster.database_url, cluster.redis_url, sealing=settings) as sealing:
        task_id = await sealing.submit("command", {"argv": ["true"]})
    ended = await hive.wait(task_id, within=WITHIN)
    assert ended.state is TaskState.FAILED
    assert ended.error is not None
    assert "it is sealed ($encrypted), and here is no key: set sealing.key_dir" in ended.error


def test_a_worker_whose_key_is_missing_does_not_start(cluster: Cluster, keys: Path) -> None:
    done = console(cluster, environment(keys, accept_signed_by="sign-9"))("worker")
    assert done.returncode == 2
    assert "sign-9.key cannot be read: No such file or directory" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


async def test_the_tasks_of_a_schedule_are_sealed_as_it_is_added(
    cluster: Cluster, hive: Hive, keys: Path
) -> None:
    cluster.start("queen", "queen")
    accepts = environment(keys, accept_signed_by="sign-1")
    cluster.start("worker", "worker", env=accepts)
    sealing = console(cluster, environment(keys, sign_with="sign-1", encrypt_with="crypt-1"))
    words = ("schedule", "add", "tell", "--every", "1h")
    added = await asyncio.to_thread(sealing, *words, "--", "test", SECRET, "!=", "x")
    assert added.returncode == 0, added.stderr
    row = await schedule_row(cluster)
    assert SECRET not in row
    ran = await asyncio.to_thread(sealing, "schedule", "run", "tell", "--json")
    assert ran.returncode == 0, ran.stderr
    [seen] = [schedule async for schedule in hive.schedules.all()]
    assert SECRET not in str(seen.task)
    shown = await asyncio.to_thread(sealing, "schedule", "show", "tell")
    assert SECRET in shown.stdout
    last = (await hive.schedules.show("tell")).last_task_id
    assert last is not None
    ended = await hive.wait(last, within=WITHIN)
    assert ended.state is TaskState.SUCCEEDED, ended.error
    refused = await asyncio.to_thread(
        sealing, "schedule", "add", "late", "--every", "1h", "--", "echo", "{tick}"
    )
    assert refused.returncode == 2
    assert "can't be filled in where payloads are signed or encrypted" in refused.stderr


async def schedule_row(cluster: Cluster) -> str:
    connection = await asyncpg.connect(cluster.database_url)
    try:
        return await connection.fetchval("select to_jsonb(s)::text from hive.schedule s")
    finally:
        await connection.close()


FLOW = """
from hive_calls import fetch_parents, submit_on_success
from hive_client import NewTask

async def begin(word):
    submit_on_success(NewTask(kind="call", payload={"function": "sealed_flow:say", "args": [word]},
                              name="said"))
    submit_on_success(NewTask(kind="call", payload={"function": "sealed_flow:tell"},
                              group="told", after=["said"]))

async def say(word):
    return word

async def tell():
    return [parent.result for parent in await fetch_parents()]
"""


async def test_what_follows_a_sealed_task_is_sealed_and_reads_the_results_it_comes_after(
    cluster: Cluster, keys: Path, tmp_path: Path
) -> None:
    (tmp_path / "sealed_flow.py").write_text(FLOW, encoding="utf-8")
    cluster.start("queen", "queen")
    sealing = environment(
        keys, sign_with="sign-1", encrypt_with="crypt-1", accept_signed_by="sign-1"
    )
    cluster.start(
        "worker", "worker", "--allow", "sealed_flow", env={**sealing, "PYTHONPATH": str(tmp_path)}
    )
    settings = SealingSettings(key_dir=keys, sign_with="sign-1", encrypt_with="crypt-1")
    async with Hive.connect(cluster.database_url, cluster.redis_url, sealing=settings) as hive:
        payload = {"function": "sealed_flow:begin", "args": [SECRET]}
        first = await hive.submit("call", payload)
        ended = await hive.wait(first, within=WITHIN)
        assert ended.state is TaskState.SUCCEEDED, ended.error
        said, told = TaskId(first + 1), TaskId(first + 2)
        ended = await hive.wait(told, within=WITHIN)
        assert (ended.state, ended.result) == (TaskState.SUCCEEDED, [SECRET]), ended.error
    for task_id in (said, told):
        row = await stored(cluster, task_id)
        assert SECRET not in row
        assert "sealed_flow" not in row
