"""What signals do to `hive worker`: a process, several of them, and one that cannot stop."""

import json
import signal
import subprocess
from pathlib import Path

import psutil

from hive_testkit.console import Console
from hive_testkit.waiting import until

AWAY = "something is away; what needs it waits"

STUBBORN = """
import asyncio

async def stay():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
"""


async def test_a_third_signal_ends_a_worker_that_cannot_stop_what_it_runs(
    hive: Console, tmp_path: Path
) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    console = Console(hive.data_dir, {"PYTHONPATH": str(tmp_path)})
    payload = json.dumps({"function": "stubborn:stay"})
    words = ("submit", "call", "--queue", "stubborn", "--no-rerun", "--payload", payload)
    task = console(*words).stdout.strip()
    worker = console.start("worker", "stubborn", "--allow", "stubborn", stderr=subprocess.DEVNULL)

    def is_running() -> bool:
        return json.loads(hive("show", task, "--json").stdout)["state"] == "running"

    def has_ended() -> bool:
        # Signals of one kind that nobody has heard yet are one: so it is told until it ends.
        worker.send_signal(signal.SIGTERM)
        return worker.poll() is not None

    try:
        await until(is_running, within_seconds=30)
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGINT)
        await until(has_ended, within_seconds=30)
    finally:
        worker.kill()
        worker.wait()
    assert worker.returncode == 1


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
