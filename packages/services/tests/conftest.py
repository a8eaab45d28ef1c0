"""Data directories to start servers in, and supervisors in processes of their own."""

import asyncio
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path

import pytest

from hive_services import EmbeddedPostgres, EmbeddedRedis
from hive_services.processes import processes_in
from hive_testkit.plugin import temporary_directory

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from hive_services import EmbeddedPostgres, EmbeddedRedis
from hive_testkit.plugin import temporary_directory

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
    redis = EmbeddedRedis(Path(sys.argv[1]))
    await postgres.start()
    await redis.start()
    print(postgres.pid, redis.pid, postgres.url, redis.url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await redis.stop()
    await postgres.stop()
    print("stopped", flush=True)

asyncio.run(main())
"""
"""Runs both services until its standard input closes."""

Supervise = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    """A directory with a short name, where nothing was ever started."""
    with temporary_directory() as directory:
        yield directory
        # Servers end a moment after the supervisor that was killed, and write until then.
        give_up_at = time.monotonic() + 15
        while _servers_in(directory) and time.monotonic() < give_up_at:
            time.sleep(0.01)


@pytest.fixture(scope="session")
def made_dir() -> Iterator[Path]:
    """A data directory in which Postgres was started and stopped; to be copied, never used."""

    async def make(directory: Path) -> None:
        server = EmbeddedPostgres(directory, durable=False)
        await server.start()
        await server.stop()

    with temporary_directory() as directory:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(make(directory))
        yield directory


@pytest.fixture
def data_dir(made_dir: Path, empty_dir: Path) -> Path:
    """A data directory in which Postgres was started and stopped before."""
    return Path(shutil.copytree(made_dir, empty_dir / "data", copy_function=_copy))


@pytest.fixture
async def postgres_in() -> AsyncIterator[Callable[[Path], EmbeddedPostgres]]:
    """A function that gives a Postgres for a directory, which is stopped after the test."""
    async with AsyncExitStack() as servers:

        def make(directory: Path) -> EmbeddedPostgres:
            server = EmbeddedPostgres(directory, durable=False)
            servers.push_async_callback(server.stop)
            return server

        yield make


@pytest.fixture
async def redis_in() -> AsyncIterator[Callable[[Path], EmbeddedRedis]]:
    """A function that gives a Redis for a directory, which is stopped after the test."""
    async with AsyncExitStack() as servers:

        def make(directory: Path) -> EmbeddedRedis:
            server = EmbeddedRedis(directory)
            servers.push_async_callback(server.stop)
            return server

        yield make


@pytest.fixture
async def postgres(
    data_dir: Path, postgres_in: Callable[[Path], EmbeddedPostgres]
) -> EmbeddedPostgres:
    """A running Postgres."""
    server = postgres_in(data_dir)
    await server.start()
    return server


@pytest.fixture
async def redis(empty_dir: Path, redis_in: Callable[[Path], EmbeddedRedis]) -> EmbeddedRedis:
    """A running Redis."""
    server = redis_in(empty_dir)
    await server.start()
    return server


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """A function that returns once a condition holds."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(15):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.002)

    return wait


@pytest.fixture
def supervise() -> Iterator[Supervise]:
    """A function that runs SUPERVISOR on a directory, in a process of its own."""
    with ExitStack() as stack:

        def start(
            directory: Path,
            *,
            prefix: tuple[str, ...] = (),
            env: Mapping[str, str] | None = None,
        ) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [*prefix, sys.executable, "-c", SUPERVISOR, directory],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **(env or {})},
            )
            stack.callback(_end, process)
            return process

        yield start


def _servers_in(directory: Path) -> bool:
    return any(processes_in(found) for found in directory.rglob("postgres*") if found.is_dir())


def _copy(source: str, target: str) -> None:
    # shutil asks the kernel to copy: 1.0 s for the 1,300 small files of a cluster, this takes 0.16.
    Path(target).write_bytes(Path(source).read_bytes())
    shutil.copymode(source, target)


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def await_end_of() -> Callable[[int], None]:
    """A function that returns once a process, which need not be a child, has ended."""

    def wait(pid: int) -> None:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                ready, _, _ = select.select([descriptor], [], [], 15.0)
            finally:
                os.close(descriptor)
            assert ready, f"process {pid} still runs after 15 s"

    return wait
