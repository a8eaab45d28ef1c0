"""The hang matrix: whatever way a command has of not ending, it ends on time and leaves nothing.

Each row is a real program that runs as a task would: through a worker's runner, its executor and
its guardian. It says what the attempt must come to, and after each nothing that bears the marker of
this guardian may be alive.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

import pytest

from hive_contracts.clocks import BootClock
from hive_contracts.execution import Tools
from hive_contracts.ids import TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import OutcomeName
from hive_contracts.tasks import ParentResult, Question
from hive_process import procfs
from hive_process.payload import CommandSettings
from hive_process.spawner import GuardedSpawner
from hive_store.worker_store import Ending, LeasedTask
from hive_testkit.attempts import make_task
from hive_worker.attempts import RunningAttempt
from hive_worker.executors import Executors
from hive_worker.holdings import Holdings
from hive_worker.runner import Runner
from hive_worker.settings import WorkerSettings

GRACE_SECONDS: Final = 0.3
LIMIT_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 60.0
"""More than any machine needs, and less than any of the programs below would take by themselves."""

MUCH_BYTES: Final = 128 << 20
MUCH_TIME: Final = timedelta(seconds=20)
"""Enough for so much at a fiftieth of the speed that it has on a machine that does nothing else."""

OVERDUE: Final = f"it ran longer than its time-out of {LIMIT_SECONDS:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """A program that does not end as it should, and what must come of it."""

    name: str
    program: str
    """What it does, in Python."""

    outcome: OutcomeName
    error: str | None
    """What the attempt says of it."""

    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    result: dict[str, Any] = field(default_factory=dict[str, Any])
    """What its result holds, among others."""

    timeout_seconds: float | None = LIMIT_SECONDS
    output: bytes = b""


SLEEP: Final = "time.sleep(600)"
SAY: Final = "print('ready', flush=True); "
DAEMON: Final = "os.fork() or (os.setsid(), os.fork() or {what}, os._exit(0)); "

HANGS: Final = [
    Hang(
        name="never starts",
        program=SLEEP,
        payload={"startup_seconds": LIMIT_SECONDS},
        timeout_seconds=None,
        outcome=OutcomeName.TIMED_OUT,
        error="it had printed nothing 1 s after its start",
        result={"limit": "startup", "signal": "SIGTERM", "stdout_bytes": 0},
    ),
    Hang(
        name="prints, but is never ready",
        program="print('warming up', flush=True); " + SLEEP,
        payload={"startup_seconds": LIMIT_SECONDS, "ready_text": "ready"},
        timeout_seconds=None,
        outcome=OutcomeName.TIMED_OUT,
        error="it had not said that it is ready 1 s after its start",
        result={"limit": "startup", "stdout_bytes": 11},
        output=b"warming up\n",
    ),
    Hang(
        name="is ready in time, and runs for too long",
        program=SAY + SLEEP,
        payload={"startup_seconds": PATIENCE_SECONDS / 2, "ready_text": "ready"},
        outcome=OutcomeName.TIMED_OUT,
        error=OVERDUE,
        result={"signal": "SIGTERM", "stdout_bytes": 6},
        output=b"ready\n",
    ),
    Hang(
        name="gives its result, and lingers",
        program="print('RESULT 42', flush=True); " + SLEEP,
        payload={"linger_seconds": LIMIT_SECONDS, "result_text": "RESULT"},
        timeout_seconds=None,
        outcome=OutcomeName.TIMED_OUT,
        error="it was still there 1 s after its result",
        result={"limit": "linger", "signal": "SIGTERM"},
        output=b"RESULT 42\n",
    ),
    Hang(
        name="closes its output, and goes on",
        program=SAY + "os.close(1); os.close(2); " + SLEEP,
        payload={"linger_seconds": LIMIT_SECONDS},
        timeout_seconds=None,
        outcome=OutcomeName.TIMED_OUT,
        error="it was still there 1 s after it had closed its output",
        result={"limit": "linger", "signal": "SIGTERM"},
        output=b"ready\n",
    ),
    Hang(
        name="ignores SIGTERM",
        program="signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SAY + SLEEP,
        outcome=OutcomeName.TIMED_OUT,
        error=OVERDUE,
        result={"signal": "SIGKILL"},
        output=b"ready\n",
    ),
    Hang(
        name="a deaf daemon with a session of its own",
        program="signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        + DAEMON.format(what=SLEEP)
        + "os.wait(); "
        + SAY
        + SLEEP,
        outcome=OutcomeName.TIMED_OUT,
        error=OVERDUE,
        result={"signal": "SIGKILL"},
        output=b"ready\n",
    ),
    Hang(
        name="forks in a loop, each child in a session of its own",
        program=SAY
        + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n"
        + " if os.fork(): time.sleep(0.005); os._exit(0)\n os.setsid()",
        # The first of them has ended well; what it left behind has a second, and is ended then.
        timeout_seconds=None,
        outcome=OutcomeName.SUCCEEDED,
        error=None,
        result={"exit_code": 0},
        output=b"ready\n",
    ),
    Hang(
        name="forks in a loop, and stays",
        program=SAY
        + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif not os.fork():\n while True:\n"
        + "  if os.fork(): time.sleep(0.005); os._exit(0)\n  os.setsid()\n"
        + SLEEP,
        outcome=OutcomeName.TIMED_OUT,
        error=OVERDUE,
        result={"signal": "SIGKILL"},
        output=b"ready\n",
    ),
    Hang(
        name="is stopped by SIGSTOP",
        program=SAY + "os.kill(os.getpid(), signal.SIGSTOP); " + SLEEP,
        outcome=OutcomeName.TIMED_OUT,
        error=OVERDUE,
        result={"signal": "SIGTERM"},
        output=b"ready\n",
    ),
    Hang(
        name="sleeps where only SIGKILL reaches it: the parent in vfork of a child that waits",
        program=SAY
        + "os.mkfifo(sys.argv[1]); "
        + "os.posix_spawn('/bin/true', ['true'], {}, file_actions="
        + "[(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)], "
        + "setsigdef=(), setsigmask=signal.valid_signals())",
        outcome=OutcomeName.TIMED_OUT,
        error=OVERDUE,
        result={"signal": "SIGKILL"},
        output=b"ready\n",
    ),
    Hang(
        name="waits for input that nobody gives",
        program="print(repr(sys.stdin.read()))",
        outcome=OutcomeName.SUCCEEDED,
        error=None,
        result={"exit_code": 0},
        output=b"''\n",
    ),
    Hang(
        name="waits for a terminal that it has not",
        program="open('/dev/tty')",
        outcome=OutcomeName.FAILED,
        error="exit code 1",
        result={"exit_code": 1, "stdout_bytes": 0},
    ),
    Hang(
        name="ends well, while a grandchild holds its pipes",
        program=DAEMON.format(what=SLEEP) + "os.wait(); " + SAY,
        outcome=OutcomeName.SUCCEEDED,
        error=None,
        result={"exit_code": 0, "left_behind": 1},
        output=b"ready\n",
    ),
    Hang(
        name="ends well, while a deaf grandchild holds its pipes",
        program="signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        + DAEMON.format(what=SLEEP)
        + "os.wait(); "
        + SAY,
        payload={"linger_seconds": 0.1, "result_text": "ready"},
        timeout_seconds=None,
        outcome=OutcomeName.SUCCEEDED,
        error=None,
        result={"exit_code": 0, "left_behind": 1},
        output=b"ready\n",
    ),
]


class Notebook:
    """Keeps what the runner records. Satisfies `hive_worker.runner.Records`."""

    has_room = True

    def __init__(self) -> None:
        self.endings: list[tuple[Ending, RunningAttempt | None]] = []

    def record(self, ending: Ending, attempt: RunningAttempt | None, task: Task) -> None:
        self.endings.append((ending, attempt))

    async def write_start(self, attempt: RunningAttempt) -> None:
        await asyncio.sleep(0)

    async def read_parents(self, task_id: TaskId) -> Sequence[ParentResult]:
        raise AssertionError(f"nobody asked for the parents of {task_id}")

    async def spend(self, attempt: RunningAttempt) -> str | None:
        raise NotImplementedError(attempt.task.id)

    async def read_answers(self, task_id: TaskId) -> list[Question]:
        raise AssertionError(f"nobody asked for the answers of {task_id}")

    async def wait_for_room(self) -> None:
        raise AssertionError("there is always room")


@pytest.fixture
async def spawner() -> AsyncGenerator[GuardedSpawner]:
    async with GuardedSpawner.open() as spawner:
        yield spawner


def marked(spawner: GuardedSpawner) -> list[int]:
    """Return the living processes that this guardian, or something of its trees, has started."""
    guard = procfs.guard_of(spawner.guardian_pid)
    assert guard is not None
    prefix = guard.encode() + b":"
    return [pid for pid in procfs.pids() if any(m.startswith(prefix) for m in procfs.marks_of(pid))]


async def ended(task: Task, spawner: GuardedSpawner) -> tuple[Ending, RunningAttempt]:
    """Run `task` as a worker does, to the end of its attempt."""
    notebook, holdings = Notebook(), Holdings()
    holdings.take(task.lease_id, {task.id})
    tools = Tools(spawner=spawner, settings=(CommandSettings(grace_seconds=GRACE_SECONDS),))
    async with asyncio.timeout(PATIENCE_SECONDS), Executors.open(tools) as executors:
        runner = Runner(executors, notebook, holdings, settings=WorkerSettings(), clock=BootClock())
        # In a task of its own, because a time-out cancels the task that an attempt runs in.
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run(LeasedTask(task, is_cancelled=False)))
    [(ending, attempt)] = notebook.endings
    assert attempt is not None
    return ending, attempt


@pytest.mark.parametrize("hang", HANGS, ids=lambda hang: hang.name)
async def test_it_ends_for_its_own_reason_and_leaves_nothing(
    hang: Hang, spawner: GuardedSpawner, tmp_path: Path
) -> None:
    code = f"import os, signal, sys, time\n{hang.program}"
    payload = {"argv": [sys.executable, "-ISc", code, str(tmp_path / "fifo")], **hang.payload}
    limit = None if hang.timeout_seconds is None else timedelta(seconds=hang.timeout_seconds)
    task = make_task("command", payload, timeout=limit)
    begun = monotonic()
    ending, attempt = await ended(task, spawner)
    took_seconds = monotonic() - begun
    assert (ending.outcome, ending.error) == (hang.outcome, hang.error)
    result = json.loads(ending.result or "{}")
    assert {**result, **hang.result} == result
    assert 0 < result["run_seconds"] <= took_seconds
    pieces = [] if attempt.output is None else attempt.output.take(is_final=True)
    assert b"".join(piece.data for piece in pieces if piece.stream == "stdout") == hang.output
    assert marked(spawner) == []


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_one_that_prints_much_is_slowed_by_its_pipe_and_does_not_grow_the_worker(
    spawner: GuardedSpawner,
) -> None:
    line = f"yes 0123456789 | head -c {MUCH_BYTES}; yes"
    payload = {"argv": [line], "shell": True, "env": {"A_TOKEN": "no such secret"}}
    before = resident_bytes()
    ending, attempt = await ended(make_task("command", payload, timeout=MUCH_TIME), spawner)
    assert resident_bytes() - before < MUCH_BYTES / 4
    assert ending.error == f"it ran longer than its time-out of {MUCH_TIME.total_seconds():g} s"
    assert json.loads(ending.result or "{}")["stdout_bytes"] > MUCH_BYTES
    assert attempt.output is not None
    kept = attempt.output.take(is_final=True)
    assert attempt.output.is_truncated
    assert sum(len(piece.data) for piece in kept) == WorkerSettings().output_cap_bytes
    assert marked(spawner) == []
