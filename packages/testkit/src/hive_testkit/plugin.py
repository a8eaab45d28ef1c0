"""Fixtures: a real Postgres and a real Redis, on Unix sockets in temporary directories.

The session has one of each, started when the first test asks. A test has a database and an empty
Redis of its own; a test of faults has whole servers of its own, which it may kill and freeze.

HIVE_TEST_DATABASE_URL names a Postgres to use instead of the session's; its role must be allowed to
create databases.

Everything is imported when it is first used, since every run of pytest loads this module.
"""
# ruff: noqa: PLC0415 - see above

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from asyncpg import Connection

    from hive_services import EmbeddedPostgres, EmbeddedRedis

__all__ = [
    "OwnServer",
    "bytecode_is_kept",
    "ctrl_c_is_heard",
    "database",
    "database_url",
    "empty_redis",
    "fresh_database",
    "logging_as_before",
    "new_data_directory",
    "no_width_of_the_runner",
    "own_postgres",
    "own_redis",
    "postgres_server",
    "postgres_template",
    "redis_server",
    "redis_url",
    "temporary_directory",
]

ANOTHER_POSTGRES: Final = "HIVE_TEST_DATABASE_URL"

ResultT = TypeVar("ResultT")


class OwnServer:
    """A server of the test's own, for faults. It runs when the test gets it."""

    def __init__(self, server: "EmbeddedPostgres | EmbeddedRedis") -> None:
        self._server = server
        self._was_killed = False

    @property
    def url(self) -> str:
        """The address, which stays the same from start to start."""
        return self._server.url

    @property
    def pid(self) -> int | None:
        """The server's process id, or None while it does not run."""
        return self._server.pid

    async def start(self) -> None:
        """Start the server again, on the data it had."""
        await self._server.start()
        self._was_killed = False

    async def end(self) -> None:
        """Stop the server for good; only a start takes away the shared memory of a killed one."""
        if self._was_killed:
            await self.start()
        await self.stop()

    async def stop(self) -> None:
        """Stop the server in order, also a frozen one."""
        self.resume()
        await self._server.stop()

    async def kill(self) -> None:
        """Kill the server and everything below it with SIGKILL; return once it is gone."""
        self._signal(signal.SIGKILL)
        self._was_killed = True
        await self._server.wait()

    def pause(self) -> None:
        """Freeze the server and everything below it: connections stay open, nobody answers."""
        # The server first, so that it starts no further process while the others are told.
        if self._server.pid is not None:
            os.kill(self._server.pid, signal.SIGSTOP)
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        from hive_services.processes import signal_tree

        if self._server.pid is not None:
            signal_tree(self._server.pid, number)


def temporary_directory() -> AbstractContextManager[Path]:
    """Give an empty directory with a short name, in memory if there is room."""
    from hive_services.scratch import scratch_directory

    return scratch_directory("hive-test-")


@pytest.fixture(autouse=True, scope="session")
def no_width_of_the_runner() -> None:
    """Off a terminal nothing is cut, and pytest-xdist says that its processes have 80 columns."""
    os.environ.pop("COLUMNS", None)


@pytest.fixture(autouse=True, scope="session")
def bytecode_is_kept() -> None:
    """A runner may forbid it; the thousand processes of the tests would each compile everything."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard() -> None:
    """A shell has what it starts with `&` ignore Ctrl-C, and so would all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a test sets up of logs ends with it: the next one's lines have another place to go."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    if structlog := sys.modules.get("structlog"):
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the session's Postgres, for a role that may create databases."""
    if another := os.environ.get(ANOTHER_POSTGRES):
        yield another
        return
    from hive_services import EmbeddedPostgres

    with temporary_directory() as directory:
        server = EmbeddedPostgres(directory, durable=False)
        try:
            _run_apart(server.start())
            # An analyze is a transaction, and what it holds back of the log a test would miss.
            _run_apart(_execute(server.url, "alter system set autovacuum = off"))
            _run_apart(_execute(server.url, "select pg_reload_conf()"))
            yield server.url
        finally:
            _run_apart(server.stop())


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """Name of a database with Hive's schema and nothing in it, to be copied."""
    from hive_store.copies import make_template

    name = _run_apart(_on_server(postgres_server, make_template, postgres_server))
    try:
        yield name
    finally:
        _run_apart(_execute(postgres_server, f"drop database {name} with (force)"))


@contextmanager
def fresh_database(server: str, template: str) -> Generator[str]:
    """Yield the URL of a copy of a database, and drop the copy afterwards."""
    from hive_store.copies import copy_database, drop_database

    url = _run_apart(_on_server(server, copy_database, server, template))
    try:
        yield url
    finally:
        _run_apart(_on_server(server, drop_database, url))


@pytest.fixture
def database_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """URL of a fresh database with Hive's schema."""
    with fresh_database(postgres_server, postgres_template) as url:
        yield url


@pytest_asyncio.fixture
async def database(database_url: str) -> "AsyncGenerator[Connection[Any]]":
    """Return a connection to the test's database. The tables are in schema `hive`."""
    import asyncpg

    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """URL of the session's Redis."""
    from hive_services import EmbeddedRedis

    with temporary_directory() as directory:
        server = EmbeddedRedis(directory)
        try:
            _run_apart(server.start())
            yield server.url
        finally:
            _run_apart(server.stop())


def empty_redis(url: str) -> None:
    """Have a test's Redis forget everything."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(urlsplit(url).path)
        connection.sendall(b"FLUSHALL\r\n")
        answer = connection.recv(100)
    if answer != b"+OK\r\n":
        pytest.fail(f"the test's Redis refuses to be emptied: {answer!r}")


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """URL of the session's Redis, emptied."""
    empty_redis(redis_server)
    return redis_server


@pytest.fixture(scope="session")
def new_data_directory() -> Iterator[Path]:
    """What a Postgres has at its first start, to be copied: making it takes much longer."""
    from hive_services import EmbeddedPostgres

    with temporary_directory() as directory:
        server = EmbeddedPostgres(directory, durable=False)
        _run_apart(server.start())
        _run_apart(server.stop())
        yield directory


@pytest.fixture
def own_postgres(new_data_directory: Path) -> Iterator[OwnServer]:
    """A running Postgres of the test's own, without Hive's schema.

    What is committed outlives `kill`, as the operating system keeps what the server has written.
    """
    from hive_services import EmbeddedPostgres

    with temporary_directory() as directory:
        # With the owner of each file, who is another one where the tests are root's.
        subprocess.run(["/bin/cp", "-a", f"{new_data_directory}/.", directory], check=True)
        yield from _own(EmbeddedPostgres(directory, durable=False))


@pytest.fixture
def own_redis() -> Iterator[OwnServer]:
    """A running Redis of the test's own."""
    from hive_services import EmbeddedRedis

    with temporary_directory() as directory:
        yield from _own(EmbeddedRedis(directory))


def _own(embedded: "EmbeddedPostgres | EmbeddedRedis") -> Iterator[OwnServer]:
    server = OwnServer(embedded)
    try:
        _run_apart(server.start())
        yield server
    finally:
        _run_apart(server.end())


def _run_apart(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    # A loop of its own, in this thread: the servers die with the thread that starts them. With a
    # factory the runner leaves the thread's current loop, which is the tests', as it is.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


async def _execute(url: str, statement: str) -> None:
    async def execute(connection: "Connection[Any]") -> None:
        await connection.execute(statement)

    await _on_server(url, execute)


async def _on_server(
    url: str, work: Callable[..., Coroutine[Any, Any, ResultT]], *arguments: object
) -> ResultT:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return await work(connection, *arguments)
    finally:
        await connection.close()
