"""Postgres and Redis for a session of tests, and in them a place for each test.

The servers die with the thread that started them, so nothing of them outlives the tests, however
those end. Their directory is removed at the end of the session, or, if that was killed, when the
next one begins.

HIVE_TEST_DATABASE_URL and HIVE_TEST_REDIS_URL name servers to use instead. The role in the database
must be allowed to make databases; in Redis each test has a prefix of its own.
"""

import asyncio
import os
from collections.abc import Coroutine, Generator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from hive_services import EmbeddedPostgres, EmbeddedRedis
from hive_services.scratch import remove_abandoned_directories, scratch_directory
from hive_store.connecting import connect
from hive_store.copies import copy_database, drop_database, drop_template, make_template

if TYPE_CHECKING:
    from hive.testing.hive_for_tests import HiveForTests

__all__ = ["HivePlace", "HiveServer"]

PREFIX: Final = "hive-testing-"
ANOTHER_POSTGRES: Final = "HIVE_TEST_DATABASE_URL"
ANOTHER_REDIS: Final = "HIVE_TEST_REDIS_URL"

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class HivePlace:
    """Where a Hive of one test is: a database that is nobody else's, and a prefix in Redis."""

    database_url: str
    redis_url: str
    redis_prefix: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which `Hive.connect()` and the commands of Hive find it."""
        return {
            "HIVE_DATABASE_URL": self.database_url,
            "HIVE_REDIS_URL": self.redis_url,
            "HIVE_REDIS_PREFIX": self.redis_prefix,
        }

    def connect(self) -> AbstractAsyncContextManager["HiveForTests"]:
        """Give a client."""
        from hive.testing.hive_for_tests import HiveForTests  # noqa: PLC0415 - it takes 0.2 s

        return HiveForTests.connect(
            self.database_url, self.redis_url, redis_prefix=self.redis_prefix
        )


class HiveServer:
    """The servers of a session of tests. Get them from `running`."""

    def __init__(self, runner: asyncio.Runner, postgres_url: str, redis_url: str) -> None:
        self.postgres_url = postgres_url
        self.redis_url = redis_url
        self._runner = runner
        self._connection = self._run(connect(postgres_url))
        self._template = self._run(make_template(self._connection, postgres_url))

    @classmethod
    @contextmanager
    def running(cls) -> "Generator[HiveServer]":
        """Run servers until the context closes, in the thread that enters it.

        Raises:
            ConfigurationError: servers cannot be run here; the message says why.
            UnavailableError: one did not come up.
        """
        remove_abandoned_directories(PREFIX)
        with ExitStack() as stack:
            # With a factory it leaves the thread's current loop, which is the tests', as it is.
            runner = stack.enter_context(asyncio.Runner(loop_factory=asyncio.new_event_loop))
            directory = stack.enter_context(scratch_directory(PREFIX))
            postgres_url = os.environ.get(ANOTHER_POSTGRES) or _started(
                EmbeddedPostgres(directory, durable=False), runner, stack
            )
            redis_url = os.environ.get(ANOTHER_REDIS) or _started(
                EmbeddedRedis(directory), runner, stack
            )
            server = cls(runner, postgres_url, redis_url)
            stack.callback(server._close)
            yield server

    @contextmanager
    def place(self) -> Generator[HivePlace]:
        """Give a place of one's own: a database with Hive's schema and nothing in it."""
        url = self._run(copy_database(self._connection, self.postgres_url, self._template))
        try:
            yield HivePlace(
                database_url=url, redis_url=self.redis_url, redis_prefix=f"hive-{uuid4().hex}"
            )
        finally:
            self._run(drop_database(self._connection, url))

    def _close(self) -> None:
        self._run(self._say_goodbye())

    async def _say_goodbye(self) -> None:
        await drop_template(self._connection, self._template)
        await self._connection.close()

    def _run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self._runner.run(work)


def _started(
    server: EmbeddedPostgres | EmbeddedRedis, runner: asyncio.Runner, stack: ExitStack
) -> str:
    runner.run(server.start())
    stack.callback(lambda: runner.run(server.stop()))
    return server.url
