"""What the guardian does when its worker is killed, frozen or cut off, and when it is itself."""

import os
import signal
import time
from collections.abc import Callable
from subprocess import Popen
from typing import Any

import pytest

from hive_contracts.errors import ServiceUnavailableError
from hive_contracts.spawning import Launch
from hive_process.spawner import GuardedSpawner
from hive_testkit.processes import has_died, is_alive

StartWorker = Callable[..., Popen[str]]

HIDING = "setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 1; done' & "
TREE = HIDING + "echo pid $!; sleep 60"
SLEEP = Launch(argv=("sleep", "60"), env={"PATH": "/usr/bin:/bin"})


def pids_until(worker: Popen[str], word: str, count: int) -> dict[str, list[int]]:
    """Read what the worker prints until `count` lines began with `word`; return pids by word."""
    assert worker.stdout is not None
    pids: dict[str, list[int]] = {}
    while len(pids.get(word, ())) < count:
        name, *numbers = worker.stdout.readline().split()
        pids.setdefault(name, []).append(int(numbers[0]))
    return pids


def told(worker: Popen[str]) -> tuple[int, list[int]]:
    """Return the guardian's pid, and those of the tree, once all of it runs."""
    pids = pids_until(worker, "pid", 2)
    if "started" not in pids:
        for word, more in pids_until(worker, "started", 1).items():
            pids.setdefault(word, []).extend(more)
    return pids["guardian"][0], [*pids["started"], *pids["pid"]]


def boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_when_the_worker_is_killed_its_trees_die_and_then_the_guardian(start_worker: StartWorker):
    worker = start_worker(TREE)
    guardian, tree = told(worker)
    assert all(map(is_alive, tree))
    worker.kill()
    assert all(map(has_died, tree))
    assert has_died(guardian)


def test_a_copy_of_the_workers_socket_does_not_keep_its_trees_alive(start_worker: StartWorker):
    worker = start_worker(TREE, "fork")
    pids = pids_until(worker, "copy", 1)
    copy = pids["copy"][0]
    try:
        worker.kill()
        assert has_died(pids["guardian"][0])
        assert is_alive(copy)
    finally:
        os.kill(copy, signal.SIGKILL)


def test_a_frozen_workers_trees_die_when_its_leases_run_out(start_worker: StartWorker):
    worker = start_worker(TREE, "1.0")
    guardian, tree = told(worker)
    worker.send_signal(signal.SIGSTOP)
    assert all(map(has_died, tree))
    assert is_alive(guardian)
    worker.send_signal(signal.SIGCONT)
    assert worker.stdout is not None
    assert "ended True 9\n" in worker.stdout.readlines()


async def test_nothing_starts_while_no_lease_is_proved(spawner: GuardedSpawner):
    process = await spawner.spawn(SLEEP)
    spawner.prove_until(boot_time() - 1)
    ended = await process.wait()
    assert (ended.fenced, ended.signal) == (True, signal.SIGKILL)
    with pytest.raises(ServiceUnavailableError, match="not proved"):
        await spawner.spawn(SLEEP)


async def test_leases_that_are_proved_anew_let_things_start(spawner: GuardedSpawner):
    spawner.prove_until(boot_time() - 1)
    spawner.prove_until(boot_time() + 60)
    process = await spawner.spawn(SLEEP)
    spawner.prove_until(float("inf"))
    ended = await process.stop(grace_seconds=5)
    assert (ended.fenced, ended.signal) == (False, signal.SIGTERM)


async def test_a_deadline_that_was_moved_does_not_strike(spawner: GuardedSpawner):
    spawner.prove_until(boot_time() + 0.2)
    process = await spawner.spawn(Launch(argv=("sleep", "0.5"), env={"PATH": "/usr/bin:/bin"}))
    spawner.prove_until(boot_time() + 60)
    ended = await process.wait()
    assert (ended.fenced, ended.code) == (False, 0)


async def test_an_end_before_the_deadline_is_told_as_it_was(spawner: GuardedSpawner):
    launch = Launch(argv=("/bin/sh", "-c", "sleep 0.1; exit 4"), env={"PATH": "/usr/bin:/bin"})
    process = await spawner.spawn(launch)
    os.kill(spawner.guardian_pid, signal.SIGSTOP)
    assert has_died(process.pid)
    spawner.prove_until(boot_time() - 1)
    os.kill(spawner.guardian_pid, signal.SIGCONT)
    ended = await process.wait()
    assert (ended.fenced, ended.code) == (False, 4)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_what_ends_a_service_does_not_end_its_guardian(
    number: signal.Signals, spawner: GuardedSpawner
):
    os.kill(spawner.guardian_pid, number)
    process = await spawner.spawn(Launch(argv=("/bin/true",), env={}))
    assert (await process.wait()).code == 0


async def test_the_guardian_is_out_of_reach_of_the_terminal(spawner: GuardedSpawner):
    assert os.getsid(spawner.guardian_pid) == spawner.guardian_pid != os.getsid(0)


async def test_without_its_guardian_a_worker_knows_and_nothing_runs_on(shell: Any):
    process = await shell.spawn("sh", "-c", HIDING.replace("pid ", "") + "echo up >&2; sleep 60")
    assert await shell.word() == "up"
    os.kill(shell.spawner.guardian_pid, signal.SIGKILL)
    with pytest.raises(ServiceUnavailableError, match="guardian"):
        await process.wait()
    assert shell.spawner.lost.is_set()
    assert has_died(process.pid, within_seconds=0)
    assert not any(map(is_alive, shell.pids()))
    with pytest.raises(ServiceUnavailableError):
        await process.stop(grace_seconds=1)
    with pytest.raises(ServiceUnavailableError):
        await shell.spawn("true")
