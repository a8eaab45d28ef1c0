"""What the tests of `call` stand on: a spawner, an executor over it, and functions to call."""

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hive_calls.executor import CallExecutor
from hive_calls.settings import CallSettings
from hive_contracts.execution import Executor, Tools
from hive_contracts.spawning import Exit, Launch

FUNCTIONS = Path(__file__).parent / "functions"


class SessionProcess:
    """A process in a session of its own; what is left of the session dies with it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        _, status, usage = os.wait4(self.pid, 0)
        self.kill(signal.SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        self._exit.set_result(
            Exit(
                code=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                cpu_seconds=usage.ru_utime + usage.ru_stime,
                peak_memory_bytes=usage.ru_maxrss * 1024,
                left_behind=0,
            )
        )

    def kill(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    async def stop(self, *, grace_seconds: float) -> Exit:
        if not self._exit.done():
            self.kill(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        except TimeoutError:
            self.kill(signal.SIGKILL)
        return await self.wait()


class SessionSpawner:
    """Starts processes; knows all that it started, so that a test can look at them."""

    def __init__(self) -> None:
        self.started: list[SessionProcess] = []

    async def spawn(self, launch: Launch) -> SessionProcess:
        # Out of the way first: a source may have the number that another one is to get.
        sources = {
            to: fcntl.fcntl(of, fcntl.F_DUPFD_CLOEXEC, 100) for to, of in launch.files.items()
        }
        null = os.open(os.devnull, os.O_RDWR)
        try:
            pid = os.posix_spawnp(
                launch.argv[0],
                launch.argv,
                dict(launch.env),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, sources.get(to, null), to)
                    for to in {0, 1, 2} | sources.keys()
                ],
                setsid=True,
            )
        finally:
            for descriptor in (null, *sources.values()):
                os.close(descriptor)
        process = SessionProcess(pid)
        self.started.append(process)
        return process


@pytest.fixture
async def spawner() -> AsyncGenerator[SessionSpawner]:
    spawner = SessionSpawner()
    yield spawner
    for process in spawner.started:
        await process.stop(grace_seconds=0)


OpenExecutor = Callable[..., AbstractAsyncContextManager[Executor]]


@pytest.fixture
def open_executor(spawner: SessionSpawner) -> OpenExecutor:
    """Open an executor with the given settings; `slots` is 2 unless it is told otherwise."""

    @asynccontextmanager
    async def open_with(*, slots: int = 2, **settings: Any) -> AsyncGenerator[Executor]:
        sample: dict[str, Any] = {"modules": ("sample_functions",), "path": (str(FUNCTIONS),)}
        chosen = CallSettings(**(sample | settings))
        tools = Tools(spawner=spawner, settings=(chosen,), slots=slots)
        async with CallExecutor.open(tools) as executor:
            yield executor

    return open_with


@pytest.fixture
async def executor(open_executor: OpenExecutor) -> AsyncGenerator[Executor]:
    async with open_executor() as executor:
        yield executor
