"""What the tests of `call` stand on: a spawner, an executor over it, and functions to call."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hive_calls.executor import CallExecutor
from hive_calls.settings import CallSettings
from hive_contracts.execution import Executor, Tools
from hive_contracts.spawning import Launch, Process
from hive_process.spawner import GuardedSpawner

FUNCTIONS = Path(__file__).parent / "functions"


class RememberingSpawner:
    """The worker's own spawner; knows all that it started, so that a test can look at them."""

    def __init__(self, guarded: GuardedSpawner) -> None:
        self.guarded = guarded
        self.started: list[Process] = []

    async def spawn(self, launch: Launch) -> Process:
        process = await self.guarded.spawn(launch)
        self.started.append(process)
        return process


@pytest.fixture
async def spawner() -> AsyncGenerator[RememberingSpawner]:
    async with GuardedSpawner.open() as guarded:
        yield RememberingSpawner(guarded)


OpenExecutor = Callable[..., AbstractAsyncContextManager[Executor]]


@pytest.fixture
def open_executor(spawner: RememberingSpawner) -> OpenExecutor:
    """Open an executor with the given settings; `slots` is 2 unless it is told otherwise."""

    @asynccontextmanager
    async def open_with(*, slots: int = 2, **settings: Any) -> AsyncGenerator[Executor]:
        sample: dict[str, Any] = {"modules": ("sample_functions",), "path": (FUNCTIONS,)}
        chosen = CallSettings(**(sample | settings))
        tools = Tools(spawner=spawner, settings=(chosen,), slots=slots)
        async with CallExecutor.open(tools) as executor:
            yield executor

    return open_with


@pytest.fixture
async def executor(open_executor: OpenExecutor) -> AsyncGenerator[Executor]:
    async with open_executor() as executor:
        yield executor
