"""Data directories to start servers in, and supervisors in processes of their own."""

import asyncio
import os
import select
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hive_services import EmbeddedPostgres, EmbeddedRedis

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from hive_services import EmbeddedPostgres, EmbeddedRedis

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
    with TemporaryDirectory(prefix="hive-test-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def made_dir() -> Iterator[Path]:
    """A data directory in which Postgres was started and stopped; to be copied, never used."""

    async def make(directory: Path) -> None:
        server = EmbeddedPostgres(directory, durable=False)
        await server.start()
        await server.stop()

    with TemporaryDirectory(prefix="hive-test-") as directory:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(make(Path(directory)))
        yield Path(directory)


@pytest.fixture
def data_dir(made_dir: Path, empty_dir: Path) -> Path:
    """A data directory in which Postgres was started and stopped before."""
    return Path(shutil.copytree(made_dir, empty_dir / "data"))


@pytest.fixture
async def postgres(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A running Postgres."""
    server = EmbeddedPostgres(data_dir, durable=False)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def redis(empty_dir: Path) -> AsyncIterator[EmbeddedRedis]:
    """A running Redis."""
    server = EmbeddedRedis(empty_dir)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


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


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def await_end_of(pid: int, *, within_seconds: float = 15.0) -> None:
    """Return once the process `pid`, which need not be a child, has ended."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            ready, _, _ = select.select([descriptor], [], [], within_seconds)
        finally:
            os.close(descriptor)
        assert ready, f"process {pid} still runs after {within_seconds} s"
