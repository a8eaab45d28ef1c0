"""The disk of `hive up` fills up, data, log of changes, logs and all: work waits, and goes on.

The disk is a small one in memory, so only root can have it. Postgres cannot write its log of
changes, panics, and cannot recover while there is no room for that either; the supervisor starts it
again and again. The queen and the worker cannot write a line to their logs.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import psutil
import pytest

from hive import up_state
from hive.up_state import UpState
from hive_client import Hive
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_testkit.cluster import SHORT_TIMES
from hive_testkit.console import HIVE, Console
from hive_testkit.waiting import until

DISK_MEBIBYTES: Final = 128
TASKS: Final = 30
MEBIBYTE: Final = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A disk of its own, of 128 MiB, that is gone after the test."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk to fill")
    place = tmp_path / "disk"
    place.mkdir()
    options = f"size={DISK_MEBIBYTES}m,mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"this machine lets nobody mount a disk: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        # Lazily: what a failed test has left running must not keep it.
        subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def up(console: Console, words: Path) -> Generator["subprocess.Popen[bytes]"]:
    """Run `hive up`, from when it is up to when it is down; it talks to the file `words`."""
    reads, writes = os.pipe()
    tied = {"HIVE_DIE_WITH_PARENT": str(os.getpid()), "HIVE_READY_FD": str(writes)}
    with words.open("wb") as log:
        process = subprocess.Popen(
            [HIVE, "up"],
            env={**console.environment, **tied},
            pass_fds=(writes,),
            stdout=log,
            stderr=log,
        )
    os.close(writes)
    try:
        assert os.read(reads, 1) == b"1", "it did not come up"
        yield process
    finally:
        os.close(reads)
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@dataclass
class Filler:
    """What fills the disk."""

    path: Path

    def fill(self) -> None:
        """Write until nothing more can be written."""
        with self.path.open("ab", buffering=0) as file, suppress(OSError):
            for size in (MEBIBYTE, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def remove(self) -> None:
        """Give the room back."""
        self.path.unlink()


def living(console: Console) -> UpState:
    state = up_state.read(console.data_dir)
    assert state is not None
    return state


def processes_of(state: UpState) -> list[psutil.Process]:
    """The queen and the worker."""
    return [psutil.Process(process.pid) for process in state.processes if process.pid is not None]


async def write_until_it_panics(database_url: str, filler: Filler) -> None:
    """Write to Postgres' log of changes until the server is gone."""
    connection = await asyncpg.connect(database_url)
    lost = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)
    with suppress(*lost):
        while True:
            filler.fill()
            with suppress(asyncpg.PostgresError):
                await connection.execute(
                    "select pg_logical_emit_message(true, 'x', repeat('x', 1000000))"
                )
    connection.terminate()


async def answers(hive: Hive) -> bool:
    try:
        await hive.tasks.count()
    except StoreUnavailableError:
        return False
    return True


async def ends_in_log(database_url: str) -> int:
    """Return how many ends the event log tells of; a result accepted twice would be told twice."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(
            "select sum(coalesce(cardinality(task_ids), 1))::bigint from hive.event"
            " where type in ('succeeded', 'failed', 'cancelled')"
        )
    finally:
        await connection.close()


async def submit_commands(hive: Hive, ran: Path) -> list[TaskId]:
    """Submit tasks that say, in a file of their own outside of the disk, that they ran."""
    ran.mkdir()
    tasks = [
        NewTask(kind="command", payload={"argv": ["sh", "-c", f"echo ran >> {ran}/{n}; sleep 0.1"]})
        for n in range(TASKS)
    ]
    return await hive.submit_many(tasks)


async def assert_told(console: Console) -> None:
    """Whatever a person types says what is wrong, and queues nothing."""
    async with asyncio.TaskGroup() as group:
        submit, run, doctor = [
            group.create_task(asyncio.to_thread(console, *words))
            for words in (
                ["submit", "command", "--payload", '{"argv": ["true"]}'],
                ["run", "--", "true"],
                ["doctor"],
            )
        ]
    for done, code in ((submit.result(), 1), (run.result(), 125)):
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("hive: Postgres at ")
        assert done.stderr.count("\n") == 1
    assert doctor.result().returncode == 1
    assert "MiB of room are left" in doctor.result().stdout


async def test_a_full_disk_delays_work_ends_no_process_and_loses_nothing(
    disk: Path, tmp_path: Path
) -> None:
    console, filler = Console(disk / "hive", SHORT_TIMES), Filler(disk / "filler")
    ran, words = tmp_path / "ran", tmp_path / "words"
    with up(console, words) as supervisor:
        state = living(console)
        processes = processes_of(state)
        async with Hive.connect(state.database_url, state.redis_url) as hive:
            task_ids = await submit_commands(hive, ran)
            await until(lambda: len(list(ran.iterdir())) >= 3)
            await write_until_it_panics(state.database_url, filler)
            await until(lambda: "does not start" in words.read_text())
            await assert_told(console)
            assert all(process.is_running() for process in processes)
            filler.remove()
            await until(lambda: answers(hive), within_seconds=30)
            ended = await hive.wait_for_all(task_ids, within=timedelta(seconds=60))
            assert {each.state for each in ended} == {TaskState.SUCCEEDED}
            assert await hive.tasks.count() == {"default": {TaskState.SUCCEEDED: TASKS}}
            assert await hive.tasks.count_orphans() == 0
            assert await ends_in_log(state.database_url) == TASKS
        assert all(process.is_running() for process in processes)
    assert supervisor.returncode == 0
    assert not any(process.is_running() for process in processes)
    assert words.read_text().count("does not start") == 1
    assert "is full" in words.read_text()
