"""What several worker processes make of a signal, and what a queen or a worker refuses or tells."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from hive_testkit.console import HIVE, Console
from hive_testkit.waiting import until

AWAY = "something is away; what needs it waits"


async def test_a_signal_while_copies_are_being_started_reaches_each_of_them(
    no_hive: Console,
) -> None:
    urls = ("--database-url", "postgresql:///x?host=/absent", "--redis-url", "unix:///absent")
    parent = no_hive.start("worker", "--processes", "4", *urls, stderr=subprocess.DEVNULL)
    begun: list[psutil.Process] = []

    def has_begun() -> bool:
        begun[:] = psutil.Process(parent.pid).children()
        return bool(begun)

    try:
        await until(has_begun, within_seconds=30)
        parent.terminate()
        assert parent.wait(60) == 0
    finally:
        parent.kill()
        parent.wait()
    assert psutil.wait_procs(begun, timeout=10)[1] == []


def test_a_worker_without_slots_is_refused_in_a_sentence(no_hive: Console) -> None:
    done = no_hive("worker", "--slots", "0")
    assert (done.returncode, done.stderr) == (
        2,
        "hive: worker.slots is 0; a worker needs at least 1\n",
    )
    assert "worker.processes is -1" in no_hive("worker", "--processes", "-1").stderr


def test_a_queen_tells_an_outage_once_and_not_by_every_loop(no_hive: Console) -> None:
    urls = ("--database-url", "postgresql:///x?host=/absent", "--redis-url", "unix:///absent")
    with no_hive.start("queen", *urls, stderr=subprocess.PIPE) as queen:
        assert queen.stderr is not None
        events: list[str] = []
        while AWAY not in events:
            events.append(json.loads(queen.stderr.readline())["event"])
        queen.terminate()
        events += [json.loads(line)["event"] for line in queen.stderr]
    assert events.count(AWAY) == 1


@pytest.mark.parametrize("hive", [[HIVE], [sys.executable, "-P", "-m", "hive"]])
def test_a_ctrl_c_while_the_rest_is_still_being_read_is_quiet(
    no_hive: Console, tmp_path: Path, hive: list[str]
) -> None:
    # What is read first of all that takes time, with a Ctrl-C in the middle.
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [*hive, "status"],
        env={**no_hive.environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
