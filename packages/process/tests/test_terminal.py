"""Commands that people speak with: on a terminal, or through an input that stays open."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hive_contracts.conversing import BUSY, NO_TERMINAL, TAKEN, Answer, Hearing, Said, WindowSize
from hive_contracts.execution import Stream, Tools
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import Failed, Outcome, Succeeded
from hive_process.command import CommandExecutor
from hive_process.feeding import Feed
from hive_process.payload import CommandSettings
from hive_process.spawner import GuardedSpawner
from hive_testkit.attempts import RecordingAttempt
from hive_testkit.waiting import until

TERMINAL = "test -t 0 && test -t 1 && test -t 2"


class Desk:
    """Connects the test with the attempt that runs. Satisfies `Switchboard`."""

    def __init__(self) -> None:
        self.shown = b""
        self.position = 0
        self._hear: Hearing | None = None
        self._opened = asyncio.Event()

    @asynccontextmanager
    async def open(
        self, task_id: TaskId, hear: Hearing, *, position: int
    ) -> "AsyncGenerator[Desk]":
        self._hear, self.position = hear, position
        self._opened.set()
        yield self

    def show(self, data: bytes) -> None:
        self.shown += data

    async def say(self, data: bytes = b"", **more: Any) -> Answer:
        async with asyncio.timeout(10):
            await self._opened.wait()
        assert self._hear is not None
        return self._hear(Said(task_id=TaskId(1), speaker="me", number=1, data=data, **more))


class LateDesk(Desk):
    """Speaks with the attempt once more when its command has ended: it still listens then."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[Answer] = []

    @asynccontextmanager
    async def open(
        self, task_id: TaskId, hear: Hearing, *, position: int
    ) -> "AsyncGenerator[Desk]":
        async with super().open(task_id, hear, position=position) as desk:
            yield desk
            self.late.append(await self.say(window=WindowSize(rows=50, columns=132)))
            self.late.append(await self.say(b"typed", is_end=True))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def executor(spawner: GuardedSpawner, desk: Desk) -> AsyncGenerator[CommandExecutor]:
    settings = CommandSettings(grace_seconds=0.3)
    tools = Tools(spawner=spawner, settings=(settings,), switchboard=desk)
    async with CommandExecutor.open(tools) as executor:
        yield executor


async def run(executor: CommandExecutor, line: str, **more: Any) -> tuple[Outcome, bytes]:
    attempt = RecordingAttempt.of("command", {"argv": [line], "shell": True, **more})
    outcome = await executor.run(attempt)
    return outcome, attempt.output()


class Talk:
    """A command that runs while the test speaks with it."""

    def __init__(self, executor: CommandExecutor, line: str, **more: Any) -> None:
        self.attempt = RecordingAttempt.of("command", {"argv": [line], "shell": True, **more})
        self.outcome: Outcome | None = None
        self._executor = executor
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> "Talk":
        await self._group.__aenter__()
        self._task = self._group.create_task(self._run())
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._group.__aexit__(*error)

    async def _run(self) -> None:
        self.outcome = await self._executor.run(self.attempt)

    def cancel(self) -> None:
        self._task.cancel()

    async def printed(self, part: str) -> bytes:
        return await self.attempt.output_containing(part.encode())


async def test_a_program_has_a_terminal_of_its_own(executor: CommandExecutor):
    # /dev/tty is there only for who has a controlling terminal.
    line = f"{TERMINAL} && echo on > /dev/tty && stty size && echo $TERM >&2"
    outcome, output = await run(executor, line, pty=True)
    assert isinstance(outcome, Succeeded), output
    assert output == b"on\r\n24 80\r\nxterm-256color\r\n"


async def test_limits_and_a_terminal_go_together(executor: CommandExecutor):
    line = f"{TERMINAL} && echo on > /dev/tty && ulimit -n"
    outcome, output = await run(executor, line, pty=True, limits={"files": 77})
    assert isinstance(outcome, Succeeded), output
    assert output == b"on\r\n77\r\n"


async def test_without_being_asked_for_there_is_no_terminal(executor: CommandExecutor):
    outcome, output = await run(executor, f"({TERMINAL}) || (echo no > /dev/tty) || echo none")
    assert isinstance(outcome, Succeeded)
    assert output == b"none\n"


async def test_what_is_typed_is_read_and_echoed_and_shown(executor: CommandExecutor, desk: Desk):
    async with Talk(executor, "read a; echo got $a", pty=True) as talk:
        assert await desk.say(b"hello\r") == TAKEN
        assert await talk.printed("got hello") == b"hello\r\ngot hello\r\n"
    assert desk.shown == talk.attempt.output()


async def test_what_is_shown_stands_behind_what_its_setup_has_printed(
    executor: CommandExecutor, desk: Desk
):
    attempt = RecordingAttempt.of("command", {"argv": ["echo", "here"], "pty": True})
    await attempt.announce_start()
    attempt.write_output(Stream.STDOUT, b"set up\n")
    attempt.write_output(Stream.STDERR, b"without a hitch\n")
    assert isinstance(await executor.run(attempt), Succeeded)
    assert attempt.output()[desk.position :] == desk.shown == b"here\r\n"


async def test_ctrl_c_interrupts_what_runs_in_the_foreground(executor: CommandExecutor, desk: Desk):
    # What sleeps says that it is there: a Ctrl-C before it would wait for it.
    line = "trap 'echo interrupted; exit 3' INT; sh -c 'echo ready; exec sleep 60'; exit 4"
    async with Talk(executor, line, pty=True) as talk:
        await talk.printed("ready")
        await desk.say(b"\x03")
    assert isinstance(talk.outcome, Failed)
    assert talk.outcome.error == "exit code 3"
    assert b"interrupted" in talk.attempt.output()


async def test_the_end_of_input_is_typed_too_also_in_the_middle_of_a_line(
    executor: CommandExecutor, desk: Desk
):
    async with Talk(executor, "stty -echo; echo ready; cat; echo done", pty=True) as talk:
        await talk.printed("ready")
        await desk.say(b"half a line", is_end=True)
    assert talk.attempt.output() == b"ready\r\nhalf a linedone\r\n"


async def test_a_window_is_as_large_as_the_speakers_and_changes_with_it(
    executor: CommandExecutor, desk: Desk
):
    code = (
        "import os, signal\n"
        # A print that a signal breaks into must not begin another.
        'def tell(*_): os.write(1, b"%d %d\\n" % os.get_terminal_size())\n'
        "signal.signal(signal.SIGWINCH, tell); tell()\n"
        "while True: signal.pause()\n"
    )
    async with Talk(executor, f"exec {sys.executable} -c '{code}'", pty=True) as talk:
        await talk.printed("80 24\r\n")
        await desk.say(window=WindowSize(rows=50, columns=132))
        await talk.printed("132 50\r\n")
        # The same again: who has just come wants the screen drawn anew.
        await desk.say(window=WindowSize(rows=50, columns=132))
        await talk.printed("132 50\r\n132 50\r\n")
        await desk.say(window=WindowSize(rows=0, columns=10**9))
        await talk.printed("10000 1\r\n")
        talk.cancel()


async def test_nothing_of_a_terminals_session_is_left(executor: CommandExecutor):
    # The spawner of these tests looks that nothing is; a session that ignores SIGHUP would be.
    line = "trap '' HUP; (trap '' HUP TERM; exec sleep 60) & echo ready"
    outcome, output = await run(executor, line, pty=True)
    assert isinstance(outcome, Succeeded)
    assert output == b"ready\r\n"


async def test_a_program_that_closes_its_terminal_may_open_it_again(executor: CommandExecutor):
    line = "exec <&- >&- 2>&-; sleep 0.1; exec > /dev/tty; echo back"
    outcome, output = await run(executor, line, pty=True)
    assert isinstance(outcome, Succeeded)
    assert output == b"back\r\n"


async def test_the_streams_of_a_terminal_are_one(executor: CommandExecutor):
    attempt = RecordingAttempt.of(
        "command", {"argv": ["echo a; echo b >&2; echo c"], "shell": True, "pty": True}
    )
    await executor.run(attempt)
    assert attempt.output(Stream.STDOUT) == b"a\r\nb\r\nc\r\n"
    assert attempt.output(Stream.STDERR) == b""


async def test_a_terminal_that_has_ended_hears_nothing(spawner: GuardedSpawner):
    desk = LateDesk()
    async with CommandExecutor.open(Tools(spawner=spawner, switchboard=desk)) as executor:
        outcome, output = await run(executor, "echo done", pty=True)
    assert isinstance(outcome, Succeeded)
    assert output == b"done\r\n"
    assert desk.late == [Answer(refusal="it has ended")] * 2


async def test_a_feed_that_is_closed_writes_nothing_more():
    reading, writing = os.pipe()
    try:
        feed = Feed(writing, on_empty=lambda: None)
        feed.write(b"before")
        feed.close()
        feed.write(b"after")
        assert os.read(reading, 64) == b"before"
    finally:
        os.close(reading)
        os.close(writing)


async def test_an_open_input_is_read_until_its_end_is_said(executor: CommandExecutor, desk: Desk):
    async with Talk(executor, "cat; echo done", stdin="first ", stdin_open=True) as talk:
        assert await desk.say(b"then this\n") == TAKEN
        await talk.printed("first then this\n")
        assert await desk.say(b"last", is_end=True) == TAKEN
        assert await desk.say(b"too late") == Answer(refusal="its input has ended")
    assert talk.attempt.output() == b"first then this\nlastdone\n"


async def test_an_open_input_that_nobody_reads_fills_up_and_is_then_busy(
    executor: CommandExecutor, desk: Desk
):
    async with Talk(executor, "echo ready; exec sleep 60", stdin_open=True) as talk:
        await talk.printed("ready")
        answers = [await desk.say(b"x" * 65536) for _ in range(8)]
        assert answers[0] == TAKEN
        assert answers[-1] == BUSY
        talk.cancel()


async def test_who_closes_its_input_takes_nothing_more(executor: CommandExecutor, desk: Desk):
    refused = Answer(refusal="it reads no input any more")
    line = "exec <&-; echo closed; exec sleep 60"
    async with Talk(executor, line, stdin_open=True) as talk:
        await talk.printed("closed")

        async def is_refused() -> bool:
            return await desk.say(b"x") == refused

        await until(is_refused)
        talk.cancel()


async def test_who_watches_an_input_without_a_terminal_is_told(
    executor: CommandExecutor, desk: Desk
):
    async with Talk(executor, "cat", stdin_open=True):
        answer = await desk.say(watches=True)
        assert answer == NO_TERMINAL
        await desk.say(is_end=True)


async def test_where_nobody_can_send_anything_an_open_input_has_an_end(spawner: GuardedSpawner):
    async with CommandExecutor.open(Tools(spawner=spawner)) as executor:
        outcome, output = await run(executor, "cat", stdin="all", stdin_open=True)
    assert isinstance(outcome, Succeeded)
    assert output == b"all"
