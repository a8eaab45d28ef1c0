"""A Hive of real processes to break: its queens and workers, its work, and what came of it.

The work is a key derivation (some 30 ms of processor time) whose result is known. Each run holds a
lock named after its task, so that two runs of one task at the same time are seen and written down.
"""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import asyncpg
import psutil

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask
from hive_store import migrate
from hive_testkit import waiting

PROGRAM = """
import fcntl, hashlib, os, sys
folder, number = sys.argv[1:]
lock = os.open(f"{folder}/{number}.lock", os.O_CREAT | os.O_RDWR)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    open(f"{folder}/overlap-{number}-{os.getpid()}", "w").close()
print(hashlib.pbkdf2_hmac("sha256", number.encode(), b"hive", 60_000).hex())
"""

SHORT_TIMES = {
    "HIVE_QUEEN_LEASE_SECONDS": "3",
    "HIVE_QUEEN_POLL_SECONDS": "0.5",
    "HIVE_WORKER_LEASE_SECONDS": "3",
    "HIVE_WORKER_HEARTBEAT_SECONDS": "0.75",
    "HIVE_WORKER_LEASE_MARGIN_SECONDS": "0.75",
    "HIVE_WORKER_SLOTS": "4",
}


@cache
def expected(number: int) -> str:
    """Return what the program prints for `number`; to find out takes as long as the task."""
    return hashlib.pbkdf2_hmac("sha256", str(number).encode(), b"hive", 60_000).hex()


@dataclass
class Count:
    """What a run came to. Everything but `succeeded` and `losses` must be 0."""

    succeeded: int = 0
    lost: int = 0
    wrong: int = 0
    accepted_twice: int = 0
    overlapping: int = 0
    orphans: int = 0
    losses: int = 0
    """Attempts that were lost with their worker or given back: they show that a fault struck."""


@dataclass
class Cluster:
    """Queens and workers on servers of the test's own."""

    database_url: str
    redis_url: str
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    submitted: dict[TaskId, int] = field(default_factory=dict)

    def start(self, name: str, *argv: str, env: Mapping[str, str] | None = None) -> None:
        """Start `hive ARGV` under a name, with `env` added to its environment."""
        environment: Mapping[str, str] = {
            **os.environ,
            **SHORT_TIMES,
            "HIVE_DATABASE_URL": self.database_url,
            "HIVE_REDIS_URL": self.redis_url,
            "XDG_STATE_HOME": str(self.folder / "state"),
            **(env or {}),
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-P", "-m", "hive", *argv],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def printed(self, *words: str) -> bytes:
        """Return what `hive WORDS` prints about this cluster; it must succeed."""
        urls = {"HIVE_DATABASE_URL": self.database_url, "HIVE_REDIS_URL": self.redis_url}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-P", "-m", "hive", *words],
            env={**os.environ, **urls},
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one process; it alone, not its children."""
        self.processes[name].send_signal(number)

    async def until_workers_are_up(self, count: int) -> None:
        """Return once so many workers have said that they are there."""
        connection = await asyncpg.connect(self.database_url)

        async def are_up() -> bool:
            return await connection.fetchval("select count(*) >= $1 from hive.worker", count)

        try:
            await waiting.until(are_up, within_seconds=60)
        finally:
            await connection.close()

    async def freeze_at_work(self, name: str) -> None:
        """SIGSTOP a worker at a moment at which something that it started runs.

        Struck between two tasks, it would lose nothing, and the fault would show nothing.
        """
        give_up_at = time.monotonic() + 30
        while time.monotonic() < give_up_at:
            # Only once it is at work: frozen for each look it would leave all to the others.
            if self._runs_something(name):
                self.signal(name, signal.SIGSTOP)
                if self._runs_something(name):
                    return
                self.signal(name, signal.SIGCONT)
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{name} runs nothing")

    def _runs_something(self, name: str) -> bool:
        # Not a look at all processes besides: by the time of a second one a short task has ended.
        below = psutil.Process(self.processes[name].pid).children(recursive=True)
        return any(self._has_started(process.pid) for process in below)

    def stop(self) -> None:
        """End every process, frozen ones too; read nothing from how."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    async def submit(self, hive: Hive, count: int, *, queue: str = "default") -> list[TaskId]:
        """Submit `count` derivations."""
        first = len(self.submitted)
        tasks = [
            NewTask(
                kind="command",
                queue=queue,
                payload={
                    "argv": [sys.executable, "-I", "-S", "-c", PROGRAM, str(self.folder), str(n)]
                },
                max_losses=10,
            )
            for n in range(first, first + count)
        ]
        task_ids = await hive.submit_many(tasks)
        self.submitted |= dict(zip(task_ids, range(first, first + count), strict=True))
        return task_ids

    async def count(self, hive: Hive) -> Count:
        """Compare every task with what it must be."""
        count = Count(orphans=await hive.tasks.count_orphans())
        for task_id, number in self.submitted.items():
            record = await hive.show(task_id)
            count.losses += len(record.history)
            if record.state != "succeeded":
                count.lost += 1
                continue
            output = b"".join(p.data for p in await hive.tasks.read_output(task_id))
            if output.decode().strip() == expected(number):
                count.succeeded += 1
            else:
                count.wrong += 1
        count.overlapping = len(list(self.folder.glob("overlap-*")))
        count.accepted_twice = await self._ended_twice()
        return count

    async def _ended_twice(self) -> int:
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetchval(
                "select count(*) from (select told.id from hive.event e"
                " cross join lateral unnest(coalesce(e.task_ids, array[e.task_id])) told (id)"
                " where type in ('succeeded', 'failed', 'cancelled')"
                " group by told.id having count(*) > 1) twice"
            )
        finally:
            await connection.close()

    def left_running(self) -> list[int]:
        """Return the processes that this cluster's workers started and that still run."""
        return [pid for pid in _pids() if self._has_started(pid)]

    def _has_started(self, pid: int) -> bool:
        return str(self.folder).encode() in _command_line(pid)


async def some_have_ended(hive: Hive, task_ids: Sequence[TaskId], count: int) -> None:
    """Return once `count` of the tasks have ended and others have not."""
    async with asyncio.timeout(60):
        while True:
            if count <= len(await hive.tasks.read_ended(task_ids)) < len(task_ids):
                return
            await asyncio.sleep(0.02)


async def check(cluster: Cluster, hive: Hive) -> Count:
    """Hold every task against what it must be, end the cluster, and return the count."""
    count = await cluster.count(hive)
    assert count.lost == 0
    assert count.wrong == 0
    assert count.accepted_twice == 0
    assert count.overlapping == 0
    assert count.orphans == 0
    assert count.succeeded == len(cluster.submitted)
    cluster.stop()
    await until(lambda: not cluster.left_running(), seconds=10, what="processes are left")
    return count


async def open_cluster(database_url: str, redis_url: str, folder: Path) -> Cluster:
    """Return a cluster with a migrated database and no process yet."""
    await migrate(database_url)
    return Cluster(database_url, redis_url, folder)


@asynccontextmanager
async def running_cluster(
    database_url: str, redis_url: str, folder: Path
) -> AsyncGenerator[Cluster]:
    """Yield a cluster; end it afterwards whatever happened, and show what its processes said."""
    found = await open_cluster(database_url, redis_url, folder)
    try:
        yield found
    finally:
        found.stop()
        for log in sorted(folder.glob("*.log")):  # noqa: ASYNC240 - at the end of a test
            sys.stderr.write(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")


async def until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Return once `condition` holds."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"after {seconds} s: {what}")
        await asyncio.sleep(0.02)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
