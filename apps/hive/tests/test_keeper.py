import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from hive.keeper import Keeper, Program, tail

READY = "import os; os.write(int(os.environ['HIVE_READY_FD']), b'1')\n"
WAIT = "import signal; signal.pause()\n"


class Watched:
    """A keeper, what it has reported, and a way to wait until something is true of it."""

    def __init__(self, program: Program) -> None:
        self.reports: list[str] = []
        self._news = asyncio.Event()
        self.keeper = Keeper(program, report=self._report, changed=self._news.set)

    def _report(self, line: str) -> None:
        self.reports.append(line)
        self._news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                self._news.clear()
                await self._news.wait()


def bee(code: str, log: Path, *, grace_seconds: float = 5) -> Program:
    argv = (sys.executable, "-c", code)
    return Program(name="bee", argv=argv, log=log, grace_seconds=grace_seconds)


@asynccontextmanager
async def kept(program: Program) -> AsyncGenerator[Watched]:
    watched = Watched(program)
    async with asyncio.TaskGroup() as group:
        group.create_task(watched.keeper.run())
        try:
            yield watched
        finally:
            await watched.keeper.stop()


async def test_a_program_that_says_it_is_ready_is_ready_and_stops_when_told(tmp_path: Path) -> None:
    async with kept(bee(READY + WAIT, tmp_path / "log")) as watched:
        await watched.keeper.settle(seconds=10)
        running = watched.keeper.state
    assert running.is_ready
    assert running.pid is not None
    assert running.last_exit is None
    assert watched.keeper.state.pid is None
    assert watched.keeper.state.last_exit == "ended by SIGTERM"
    assert watched.reports == []


async def test_a_program_that_dies_is_started_again(tmp_path: Path) -> None:
    async with kept(bee(READY + WAIT, tmp_path / "log")) as watched:
        await watched.keeper.settle(seconds=10)
        first = watched.keeper.state.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await watched.until(lambda: watched.keeper.state.starts == 2)
        await watched.until(lambda: watched.keeper.state.is_ready)
        assert watched.keeper.state.pid != first
    assert "bee: ended by SIGKILL after" in watched.reports[0]


async def test_a_program_that_keeps_failing_is_shown_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("words of an earlier life\n")
    async with kept(bee("import sys; sys.exit('no such luck')", log)) as watched:
        await watched.until(lambda: len(watched.reports) == 2)
        assert watched.keeper.state.last_exit == "ended with exit code 1"
    first, second = watched.reports
    assert "started again in 0.5 s" in first
    assert "started again in 1 s" in second
    assert "no such luck" in first
    assert "no such luck" in second
    assert "earlier life" not in first


async def test_a_program_that_is_not_there_is_reported_and_not_hidden(tmp_path: Path) -> None:
    absent = Program(name="bee", argv=("/absent",), log=tmp_path / "log", grace_seconds=1)
    async with kept(absent) as watched:
        await watched.until(lambda: len(watched.reports) == 1)
        last_exit = watched.keeper.state.last_exit
    assert last_exit is not None
    assert "No such file" in last_exit


async def test_a_deaf_program_is_killed_after_its_grace(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY
    code = deaf + "while True: signal.pause()"
    async with kept(bee(code, tmp_path / "log", grace_seconds=0.1)) as watched:
        await watched.keeper.settle(seconds=10)
    assert watched.keeper.state.last_exit == "ended by SIGKILL"
    assert "did not end within 0.1 s of SIGTERM" in watched.reports[0]


async def test_a_keeper_that_is_cancelled_leaves_no_program(tmp_path: Path) -> None:
    watched = Watched(bee(READY + WAIT, tmp_path / "log"))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.keeper.run())
        await watched.keeper.settle(seconds=10)
        pid = watched.keeper.state.pid
        running.cancel()
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()


def test_a_tail_is_the_last_lines_of_what_is_new(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == []
    log.write_text("".join(f"{number}\n" for number in range(100)))
    assert tail(log)[-1] == "99"
    assert len(tail(log)) == 12
    assert tail(log, since=log.stat().st_size - 3) == ["99"]
