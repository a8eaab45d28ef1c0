import asyncio
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pexpect
import psutil
import pytest

from hive.demonstration.ledger import Ledger
from hive.demonstration.leftovers import LOCK, PREFIX, wait_for_leftovers
from hive.demonstration.progress import shown_progress
from hive.demonstration.summary import Summary
from hive_contracts.ids import TaskId
from hive_services.scratch import remove_abandoned_directories
from hive_testkit.console import Console

END_SECONDS = 20


@pytest.fixture
def place() -> Generator[Path]:
    """The directory for temporary files of a demonstration; what it starts inherits its name."""
    with TemporaryDirectory(prefix="hive-test-") as directory:
        yield Path(directory)


@pytest.fixture
def console(place: Path) -> Console:
    """A console with another Hive's settings around it, which must not matter."""
    elsewhere = {"HIVE_DATABASE_URL": "postgresql://nobody@nowhere/nothing"}
    return Console(place / "none", {"TMPDIR": str(place), "HIVE_WORKER_QUEUES": "x", **elsewhere})


def naming(place: Path) -> list[psutil.Process]:
    """The living processes that have `place` in their arguments or their environment."""
    mark = os.fsencode(place)
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            files = [Path(f"/proc/{process.pid}/{file}").read_bytes() for file in NAMES]
        except OSError:
            continue
        if any(mark in file for file in files) and process.pid != os.getpid():
            found.append(process)
    return found


NAMES = ("cmdline", "environ")


def below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process], place: Path) -> None:
    _, alive = psutil.wait_procs([*processes, *naming(place)], timeout=END_SECONDS)
    assert [process.cmdline() for process in alive] == []
    assert naming(place) == []


def test_everything_that_it_promises_holds_and_nothing_is_left(
    console: Console, place: Path
) -> None:
    done = console("demo", "--tasks", "130", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert found["holds"]
    assert found["tasks"] == found["succeeded"] + found["failed_as_expected"] == 130
    # Each broken file fails to compile, and all but the one with a NUL to be counted.
    assert found["failed_as_expected"] == 7
    assert found["recovered"] >= 1
    assert found["lost"] == found["accepted_twice"] == found["processes_left"] == 0
    assert found["clean_sonnets"] == found["sonnets"] == 4
    assert 1 <= found["ended_meanwhile"] <= 130
    assert 0 <= found["lag_p50_ms"] <= found["lag_p99_ms"] <= found["lag_most_ms"]
    # Only the first sonnet stays; one that its worker's end tears is begun again.
    assert 14 <= len(re.findall(r"^    [A-Z].*$", done.stderr, re.MULTILINE)) <= 28
    assert "SIGKILL to worker-" in done.stderr
    assert "\033" not in done.stderr
    assert list(place.iterdir()) == []
    assert naming(place) == []


@pytest.mark.parametrize("moment", ["starting Postgres", "tasks on", "running"])
def test_ctrl_c_at_any_moment_leaves_nothing(console: Console, place: Path, moment: str) -> None:
    terminal = console.on_terminal(["demo"])
    terminal.expect(moment)
    processes = below(terminal.pid)
    terminal.sendintr()
    terminal.expect("stopping everything")
    terminal.expect("the demonstration was interrupted; nothing of it is left")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert list(place.iterdir()) == []
    assert_gone(processes, place)


def test_what_a_ctrl_c_kills_as_it_is_being_started_is_no_other_reason_to_end(place: Path) -> None:
    program = (
        "import signal, sys\n"
        "from hive.demonstration.showing import give\n"
        "from hive.running import run_main\n"
        "from hive_contracts.errors import ServiceUnavailableError\n"
        "from hive_services import EmbeddedPostgres\n"
        "async def start(self):\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    raise ServiceUnavailableError('initdb ended with -2')\n"
        "EmbeddedPostgres.start = start\n"
        "sys.exit(run_main(give(tasks=None, as_json=False)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(place)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "the demonstration was interrupted; nothing of it is left" in done.stderr
    assert "initdb" not in done.stderr
    assert list(place.iterdir()) == []


def test_killed_itself_it_leaves_no_process_and_the_next_one_removes_its_directory(
    console: Console, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = console.on_terminal(["demo"])
    terminal.expect("running")
    processes = below(terminal.pid)
    assert len(processes) > 6
    terminal.kill(signal.SIGKILL)
    terminal.wait()
    terminal.close()
    assert_gone(processes, place)
    assert len(list(place.iterdir())) == 1
    monkeypatch.setattr("tempfile.tempdir", str(place))
    remove_abandoned_directories(PREFIX, lock=LOCK)
    assert list(place.iterdir()) == []


async def test_a_process_that_stays_is_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive.demonstration.leftovers.PATIENCE_SECONDS", 0.1)
    elsewhere = {"PATH": os.environ["PATH"], "PLACE": str(place)}
    process = await asyncio.create_subprocess_exec("sleep", "60", env=elsewhere)
    try:
        assert process.pid in await wait_for_leftovers(place)
    finally:
        process.kill()
        await process.wait()
    assert process.pid not in await wait_for_leftovers(place)


def summary(**changes: Any) -> Summary:
    figures: dict[str, Any] = {
        "tasks": 30, "succeeded": 23, "failed_as_expected": 7, "wrong": (),
        "killed_worker": "worker-1", "running_when_killed": 2, "recovered": 3, "lost": 0,
        "accepted_twice": 0, "processes_left": 0, "directories_left": 0, "tasks_per_second": 40.0,
        "wait_p50_seconds": 0.1, "wait_p95_seconds": 0.2, "run_seconds": 5.0, "wall_seconds": 9.0,
        "sonnets": 2, "clean_sonnets": 2, "ended_meanwhile": 12,
        "lag_p50_ms": 0.5, "lag_p99_ms": 3.0, "lag_most_ms": 9.0,
    }  # fmt: skip
    return Summary(**(figures | changes))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"lost": 1}, "1 tasks have not ended"),
        ({"accepted_twice": 2}, "2 tasks have more than one end"),
        ({"processes_left": 3}, "3 processes are left"),
        ({"directories_left": 1}, "1 directories are left"),
        ({"killed_worker": None}, "no worker was killed"),
        ({"clean_sonnets": 1}, "1 of 2 sonnets have 14 clean lines"),
        ({"lag_most_ms": None}, "was not measured"),
        ({"recovered": 0}, "nothing was recovered"),
        ({"wrong": ("task 5 came to 1, and must come to 2",)}, "task 5 came to 1"),
    ],
)
def test_whatever_does_not_hold_is_told(changes: dict[str, Any], fault: str) -> None:
    assert summary().faults() == []
    assert "Everything holds" in "\n".join(summary().lines())
    assert fault in "\n".join(summary(**changes).lines())
    assert not summary(**changes).as_plain()["holds"]


def test_too_few_tasks_to_show_anything_are_refused(no_hive: Console) -> None:
    done = no_hive("demo", "--tasks", "3")
    assert done.returncode == 2
    assert done.stderr == "hive: --tasks is 3; it must be at least 10\n"


def test_the_bar_leaves_room_for_its_figures_in_80_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads, writes = os.openpty()
    fcntl.ioctl(writes, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    ledger = Ledger()
    ledger.failed = 12_345
    ledger.running = set(map(TaskId, range(12_345)))
    ledger.recovered = set(map(TaskId, range(12_345)))
    drawn = ""
    with os.fdopen(writes, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with shown_progress() as progress:
            progress.begin(123_456_789)
            progress.update(ledger)
            # Redrawn ten times a second; what comes before the second time is whole.
            while drawn.count("running") < 2:
                drawn += os.read(reads, 1 << 16).decode()
        terminal.flush()
    os.close(reads)
    plain = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", drawn)
    lines = [line for line in re.split(r"[\r\n]+", plain) if "running" in line][:1]
    assert max(map(len, lines)) <= 80
    assert all("12345 running  12345 failed  12345 recovered" in line for line in lines)
