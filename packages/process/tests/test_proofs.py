"""Proofs of leases reach the guardian whatever the event loop does, and the furthest one counts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from hive_contracts.spawning import Launch
from hive_process.proofs import ProofPipe, read_furthest
from hive_process.spawner import GuardedSpawner
from hive_testkit.processes import is_alive

SLEEP = Launch(argv=("sleep", "60"), env={"PATH": "/usr/bin:/bin"})


def boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.fixture
def pipe() -> Iterator[ProofPipe]:
    pipe = ProofPipe()
    yield pipe
    pipe.close()


async def test_a_loop_that_is_blocked_past_a_deadline_keeps_its_processes(
    spawner: GuardedSpawner,
) -> None:
    process = await spawner.spawn(SLEEP)
    deadline = boot_time() + 0.7

    def prove_on() -> None:
        spawner.prove_until(deadline + 60)
        time.sleep(max(0.0, deadline + 0.05 - boot_time()))

    spawner.prove_until(deadline)
    heartbeat = Thread(target=prove_on)
    heartbeat.start()
    heartbeat.join()  # here the loop stands still until the first deadline has passed
    assert boot_time() > deadline
    assert is_alive(process.pid)
    ended = await process.stop(grace_seconds=5)
    assert (ended.fenced, ended.signal) == (False, signal.SIGTERM)


async def test_a_proof_sent_in_time_counts_however_late_the_guardian_reads_it(
    spawner: GuardedSpawner,
) -> None:
    deadline = boot_time() + 0.7
    spawner.prove_until(deadline)
    process = await spawner.spawn(SLEEP)  # by now the guardian knows of the deadline
    os.kill(spawner.guardian_pid, signal.SIGSTOP)
    spawner.prove_until(deadline + 60)
    while boot_time() < deadline:
        time.sleep(0.01)  # noqa: ASYNC251 - the guardian, not the loop, must find itself late
    os.kill(spawner.guardian_pid, signal.SIGCONT)
    another = await spawner.spawn(SLEEP)
    assert is_alive(process.pid)
    for one in (process, another):
        assert not (await one.stop(grace_seconds=5)).fenced


async def test_a_proof_that_comes_late_takes_nothing_back(spawner: GuardedSpawner) -> None:
    spawner.prove_until(boot_time() + 60)
    spawner.prove_until(boot_time() - 1)
    process = await spawner.spawn(SLEEP)
    spawner.prove_until(boot_time() - 2)
    assert not (await process.stop(grace_seconds=5)).fenced


async def test_a_worker_that_proves_its_leases_too_late_may_start_things_anew(
    spawner: GuardedSpawner,
) -> None:
    process = await spawner.spawn(SLEEP)
    spawner.prove_until(boot_time() + 0.05)
    assert (await process.wait()).fenced
    spawner.prove_until(boot_time() + 60)
    again = await spawner.spawn(SLEEP)
    assert not (await again.stop(grace_seconds=5)).fenced


def test_of_all_that_was_sent_the_furthest_is_read(pipe: ProofPipe) -> None:
    for seconds in (3.0, float("inf"), 2.0, -1.0):
        pipe.send(seconds)
    assert read_furthest(pipe.far_end) == (float("inf"), True)
    assert read_furthest(pipe.far_end) == (None, True)


def test_a_full_pipe_holds_nobody_up_and_hears_again_once_it_was_read(pipe: ProofPipe) -> None:
    for number in range(10_000):
        pipe.send(float(number))
    furthest, may_come = read_furthest(pipe.far_end)
    assert furthest is not None
    assert 8_000 <= furthest < 9_999
    assert may_come
    pipe.send(10_000.0)
    assert read_furthest(pipe.far_end) == (10_000.0, True)


def test_a_closed_pipe_is_at_its_end_after_what_it_holds(pipe: ProofPipe) -> None:
    end = os.dup(pipe.far_end)
    try:
        pipe.send(5.0)
        pipe.close()
        pipe.close()
        pipe.send(6.0)
        assert read_furthest(end) == (5.0, False)
    finally:
        os.close(end)


def test_a_guardian_that_is_gone_is_no_error_of_the_heartbeat(pipe: ProofPipe) -> None:
    pipe.close_far_end()
    pipe.send(1.0)


def test_a_proof_that_meets_the_close_does_not_end_up_in_the_file_of_another() -> None:
    # A number that is closed under a write comes to mean the next file that is opened.
    pipe, is_over = ProofPipe(), Event()

    def prove() -> None:
        while not is_over.is_set():
            pipe.send(1.0)

    heartbeat = Thread(target=prove)
    heartbeat.start()
    others = list[tuple[int, int]]()
    try:
        pipe.close()
        others += [os.pipe2(os.O_NONBLOCK) for _ in range(4)]
        for reads, _ in others:
            with pytest.raises(BlockingIOError):
                os.read(reads, 8)
    finally:
        is_over.set()
        heartbeat.join()
        for end in (end for ends in others for end in ends):
            os.close(end)


LOW_NUMBERS = """
import os, sys
from hive_process.spawner import _start_guardian

ours, proofs, guardian = _start_guardian()
assert (ours.fileno(), proofs._near_end) == (0, 4), (ours, proofs._near_end)
assert len(ours.recv(100)) == 13, "the guardian did not say that it watches"
links = [os.readlink(f"/proc/{pid}/fd/4") for pid in (os.getpid(), guardian)]
assert links[0] == links[1], links
ours.close()
os.waitpid(guardian, 0)
"""


def test_the_guardians_files_are_told_apart_whatever_numbers_they_had_in_the_worker() -> None:
    # Without stdin and stdout, the worker's ends take the very places of the guardian's.
    line = 'exec "$@" <&- >&-'
    argv = ["sh", "-c", line, "sh", sys.executable, "-c", LOW_NUMBERS]
    ended = subprocess.run(argv, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
