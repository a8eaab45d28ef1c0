"""A supervisor over the real servers and small real programs, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from hive import identity, up_state
from hive.identity import ProcessIdentity
from hive.up_state import UpState
from hive_contracts.errors import ConfigurationError

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from hive.keeper import Program
from hive.parenthood import announce_ready
from hive.supervisor import Plan, Supervisor
from hive.up_state import logs_folder
from hive_services.postgres import EmbeddedPostgres
from hive_services.redis import EmbeddedRedis
from hive_store.migrating import migrate

data_dir, with_servers, worker = Path(sys.argv[1]), sys.argv[2] == "servers", sys.argv[3]
postgres, redis = EmbeddedPostgres(data_dir, durable=False), EmbeddedRedis(data_dir)

async def nothing():
    return None

def program(name, code):
    log = logs_folder(data_dir) / (name + ".log")
    argv = (sys.executable, "-c", "from hive.parenthood import *; die_with_parent()\\n" + code)
    return Program(name=name, argv=argv, log=log, grace_seconds=5)

quiet = "import signal; announce_ready(); signal.pause()"
plan = Plan(
    data_dir=data_dir,
    database_url=postgres.url,
    redis_url=redis.url,
    servers=[("postgres", postgres), ("redis", redis)] if with_servers else [],
    stages=[[program("queen", quiet)], [program("worker-1", worker or quiet)]],
    migrate=(lambda: migrate(postgres.url)) if with_servers else nothing,
)
report = lambda line: print(line, file=sys.stderr, flush=True)
supervisor = Supervisor(plan, report=report, on_up=lambda state: announce_ready())
asyncio.run(supervisor.run())
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    """Start supervisors of `tmp_path`/data that end with the test; returns once they are up."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*, servers: bool = False, worker: str = "") -> "subprocess.Popen[str]":
        reads, writes = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, tmp_path / "data", _word(servers), worker],
            env={**os.environ, "HIVE_READY_FD": str(writes)},
            pass_fds=(writes,),
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        os.close(writes)
        try:
            os.read(reads, 1)
        finally:
            os.close(reads)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate(timeout=30)


def _word(servers: bool) -> str:
    return "servers" if servers else "none"


def stopped(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, words = process.communicate(timeout=30)
    return process.returncode, words


def living(data_dir: Path) -> UpState:
    state = up_state.read(data_dir)
    assert state is not None
    return state


def down(data_dir: Path, *words: str) -> "subprocess.CompletedProcess[Any]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "hive", "down", "--data-dir", data_dir, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def is_running(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}").exists()


def test_it_comes_up_with_its_servers_and_goes_down_without_a_trace(
    start: Start, tmp_path: Path
) -> None:
    process = start(servers=True)
    state = living(tmp_path / "data")
    assert state.is_up
    assert state.identity.pid == process.pid
    assert [(p.name, p.is_ready) for p in state.processes] == [("queen", True), ("worker-1", True)]
    folder = state.redis_url.removeprefix("unix://").partition("?")[0]
    with socket.socket(socket.AF_UNIX) as redis:
        redis.connect(folder)

    done = down(tmp_path / "data")
    assert done.returncode == 0
    assert done.stderr == "hive: stopped the supervisor, queen, worker-1\n"
    assert stopped(process)[0] == 0
    assert not any(is_running(p.pid) for p in state.processes)
    assert not Path(folder).exists()
    assert up_state.read(tmp_path / "data") is None

    again = down(tmp_path / "data")
    assert again.returncode == 0
    assert "nothing runs in" in again.stderr


def test_workers_stop_before_the_queen(start: Start, tmp_path: Path) -> None:
    # The worker reads, while it stops, whether the queen still lives.
    worker = (
        "import signal, sys, os\n"
        "from pathlib import Path\n"
        "from hive import up_state\n"
        f"data = Path({str(tmp_path / 'data')!r})\n"
        "def look(*_):\n"
        "    queen = up_state.read(data).processes[0]\n"
        "    (data / 'seen').write_text(str(os.path.exists(f'/proc/{queen.pid}')))\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, look)\n"
        "announce_ready()\n"
        "while True: signal.pause()\n"
    )
    process = start(worker=worker)
    process.send_signal(signal.SIGINT)
    code, words = stopped(process)
    assert code == 0
    assert words == "stopping; once more to stop at once\n"
    assert (tmp_path / "data" / "seen").read_text() == "True"


def test_a_second_signal_stops_at_once(start: Start, tmp_path: Path) -> None:
    deaf = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "announce_ready()\n"
        "while True: signal.pause()\n"
    )
    process = start(worker=deaf)
    worker = living(tmp_path / "data").processes[1].pid
    done = down(tmp_path / "data", "--now")
    assert done.returncode == 0
    code, words = stopped(process)
    assert code == 0
    assert "did not end within" not in words
    assert not is_running(worker)


def test_a_second_supervisor_is_refused(start: Start, tmp_path: Path) -> None:
    first = start()
    second = start()
    code, words = stopped(second)
    assert code != 0
    assert f"another `hive up` has the directory {tmp_path / 'data'}" in words
    assert living(tmp_path / "data").identity.pid == first.pid


def test_nothing_outlives_a_supervisor_that_is_killed_and_the_next_one_recovers(
    start: Start, tmp_path: Path
) -> None:
    first = start(servers=True)
    state = living(tmp_path / "data")
    pids = [p.pid for p in state.processes if p.pid is not None]
    descriptors = [os.pidfd_open(pid) for pid in (first.pid, *pids)]
    first.kill()
    for descriptor in descriptors:
        assert identity.wait(descriptor, seconds=10)
        os.close(descriptor)
    assert up_state.read(tmp_path / "data") is None
    assert (tmp_path / "data" / "up.json").exists()

    second = start(servers=True)
    assert living(tmp_path / "data").identity.pid == second.pid
    assert down(tmp_path / "data").returncode == 0


def test_a_server_that_dies_is_started_again(start: Start, tmp_path: Path) -> None:
    process = start(servers=True)
    pid_file = tmp_path / "data" / "postgres" / "postmaster.pid"
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("postgres ended with exit code")
    assert process.stderr.readline() == "postgres is back\n"


def test_a_signal_during_the_start_undoes_the_start(tmp_path: Path) -> None:
    # The worker never gets ready, so the supervisor is still coming up when the signal arrives.
    data_dir, pipe = tmp_path / "data", tmp_path / "pipe"
    os.mkfifo(pipe)
    worker = f"import os, signal; open({str(pipe)!r}, 'w').write(str(os.getpid())); signal.pause()"
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, data_dir, "none", worker],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        worker_pid = int(pipe.read_text())
        assert not living(data_dir).is_up
        process.terminate()
        assert stopped(process)[0] == 0
        assert not is_running(worker_pid)
        assert up_state.read(data_dir) is None
    finally:
        process.kill()
        process.communicate(timeout=30)


def test_a_state_of_another_life_of_the_same_pid_is_not_believed(tmp_path: Path) -> None:
    me = ProcessIdentity.of_this_process()
    earlier = ProcessIdentity(pid=me.pid, started_ticks=me.started_ticks - 1, boot_id=me.boot_id)
    other_boot = ProcessIdentity(pid=me.pid, started_ticks=me.started_ticks, boot_id="other")
    assert me.is_alive()
    assert not earlier.is_alive()
    assert earlier.open() is None
    assert not other_boot.is_alive()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"identity": {}}', "null"])
def test_half_a_state_file_is_no_state(text: str, tmp_path: Path) -> None:
    (tmp_path / "up.json").write_text(text)
    assert up_state.read(tmp_path) is None


def test_a_state_that_cannot_be_written_is_a_sentence(start: Start, tmp_path: Path) -> None:
    start()
    state = living(tmp_path / "data")
    with pytest.raises(ConfigurationError, match="absent cannot be used: No such file"):
        up_state.write(tmp_path / "absent", state)
    assert living(tmp_path / "data") == state
