"""The `hive` command on a database of the test's own, and all sides of the store beside it.

No queen and no worker is there, so that every task stays as the test has left it.
"""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from hive_contracts.ids import TaskId
from hive_testkit.console import Console
from hive_testkit.ground import Ground, open_ground

__all__ = ["Desk"]

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a person types, and what the test does behind the person's back."""

    run: Callable[..., "subprocess.CompletedProcess[str]"]
    """Runs the command line in this process."""

    database_url: str
    redis_url: str
    data_dir: Path

    @property
    def console(self) -> Console:
        """The command in processes of its own, for terminals and signals."""
        urls = {"HIVE_DATABASE_URL": self.database_url, "HIVE_REDIS_URL": self.redis_url}
        return Console(self.data_dir, urls)

    def __call__(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Type a command."""
        urls = ("--database-url", self.database_url, "--redis-url", self.redis_url)
        place = words.index("--") if "--" in words else len(words)
        common = (*urls, "--data-dir", str(self.data_dir))
        return self.run(*words[:place], *common, *words[place:])

    def do(self, work: Callable[[Ground], Awaitable[ResultT]]) -> ResultT:
        """Have something done with the store."""

        async def on_the_ground() -> ResultT:
            async with open_ground(self.database_url) as ground:
                return await work(ground)

        return _run(on_the_ground())

    def submit(self, count: int = 1, **options: Any) -> list[TaskId]:
        """Submit tasks that are alike."""
        return self.do(lambda ground: ground.submit(count, **options))

    def sql(self, statement: str, *arguments: object) -> list[Any]:
        """Send a statement to the database; return its rows."""

        async def send() -> list[Any]:
            connection = await asyncpg.connect(self.database_url)
            try:
                return await connection.fetch(statement, *arguments)
            finally:
                await connection.close()

        return _run(send())


def _run(work: Any) -> Any:
    # A loop of its own: with a factory the runner leaves the thread's current loop as it is.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)
