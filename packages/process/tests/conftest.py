"""What the tests of processes stand on: a spawner that must leave nothing, and real programs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from pathlib import Path

import coverage
import pytest

from hive_contracts.execution import Tools
from hive_contracts.spawning import Exit, Launch
from hive_process import procfs
from hive_process import spawner as spawner_module
from hive_process.command import CommandExecutor
from hive_process.payload import CommandSettings
from hive_process.spawner import GuardedProcess, GuardedSpawner

PATH = "/usr/local/bin:/usr/bin:/bin"

MEASURED = """
import sys
sys.path.append({packages!r})
import coverage
coverage.Coverage(config_file={config!r}, data_file={data!r}, data_suffix=True).start()
"""


@pytest.fixture(autouse=True, scope="session")
def measured_guardian() -> Generator[None]:
    """Measure the guardian too, where coverage is measured: it starts without site-packages."""
    measuring = coverage.Coverage.current()
    if measuring is None:
        yield
        return
    code = MEASURED.format(
        packages=str(Path(coverage.__file__).parents[1]),
        config=measuring.config.config_file,
        data=str(Path(measuring.config.data_file).absolute()),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spawner_module, "GUARDIAN_CODE", code + spawner_module.GUARDIAN_CODE)
        yield


class Shell:
    """Starts programs whose stdout is a file, to be read at the end, and whose stderr is heard."""

    def __init__(self, spawner: GuardedSpawner, folder: Path) -> None:
        self.spawner = spawner
        self.output = folder / "output"
        self.env = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
        self.heard, self.mouth = os.pipe()

    async def spawn(self, *argv: str, cwd: str | None = None) -> GuardedProcess:
        with self.output.open("ab") as output:
            files = {1: output.fileno(), 2: self.mouth}
            launch = Launch(argv=argv, env=self.env, cwd=cwd, files=files)
            return await self.spawner.spawn(launch)

    async def word(self) -> str:
        """Return what was said on stderr, as soon as something is."""
        loop = asyncio.get_running_loop()
        is_readable = asyncio.Event()
        loop.add_reader(self.heard, is_readable.set)
        try:
            async with asyncio.timeout(10):
                await is_readable.wait()
        finally:
            loop.remove_reader(self.heard)
        return os.read(self.heard, 4096).decode().strip()

    async def python(self, code: str) -> GuardedProcess:
        return await self.spawn(sys.executable, "-ISc", code)

    async def run(self, *argv: str, cwd: str | None = None) -> Exit:
        return await (await self.spawn(*argv, cwd=cwd)).wait()

    def printed(self) -> str:
        return self.output.read_text()

    def pids(self) -> list[int]:
        return [int(word) for word in self.printed().split()]


@pytest.fixture
async def spawner() -> AsyncGenerator[GuardedSpawner]:
    """A spawner; whatever a test does with it, nothing that it started is alive afterwards."""
    async with GuardedSpawner.open() as spawner:
        mark = procfs.guard_of(spawner.guardian_pid)
        assert mark is not None
        yield spawner
    alive = [pid for pid in procfs.pids() if _carries(pid, mark.encode() + b":")]
    assert alive == []


def _carries(pid: int, mark: bytes) -> bool:
    return any(other.startswith(mark) for other in procfs.marks_of(pid))


@pytest.fixture
def shell(spawner: GuardedSpawner, tmp_path: Path) -> Generator[Shell]:
    shell = Shell(spawner, tmp_path)
    yield shell
    os.close(shell.heard)
    os.close(shell.mouth)


@pytest.fixture
async def executor(spawner: GuardedSpawner) -> AsyncGenerator[CommandExecutor]:
    settings = CommandSettings(grace_seconds=0.3)
    async with CommandExecutor.open(Tools(spawner=spawner, settings=(settings,))) as executor:
        yield executor


Worker = subprocess.Popen[str]


@pytest.fixture
def start_worker() -> Generator[Callable[..., Worker]]:
    """Start `programs/worker.py` as a process of its own, to be killed and frozen."""
    workers: list[Worker] = []

    def start(*arguments: str) -> Worker:
        program = Path(__file__).parent / "programs" / "worker.py"
        worker = subprocess.Popen(
            [sys.executable, str(program), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        with suppress(ProcessLookupError):
            worker.send_signal(signal.SIGCONT)
        worker.kill()
        with worker:
            pass
