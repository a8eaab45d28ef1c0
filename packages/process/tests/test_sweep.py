"""The sweep ends what dead guardians left, and touches nothing else.

It is the whole machine that is swept: a worker that starts beside these tests may be faster. So
they ask that what was abandoned is dead, and try anew where they ask who did it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

import pytest

from hive_process import procfs
from hive_process.sweep import sweep_abandoned
from hive_testkit.processes import has_died, is_alive

MOST_TRIES = 10

HIDING = "setsid sh -c 'echo pid $$; exec sleep 60' & echo pid $!; exec sleep 60"


@contextmanager
def marked(marker: str) -> Generator[int]:
    """A process with `marker` in its environment; gives its pid."""
    process = Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "HIVE_GUARD": marker})
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def dead_guardian() -> str:
    """Return the marker of a guardian that lived on this machine, and does no more."""
    process = Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE)
    mark = procfs.guard_of(process.pid)
    process.communicate()
    assert mark is not None
    return mark


def test_what_a_killed_guardian_left_is_found(start_worker: Callable[..., Popen[str]]):
    worker = start_worker(HIDING)
    assert worker.stdout is not None
    pids: dict[str, int] = {}
    while not {"guardian", "pid", "started"} <= pids.keys():
        word, pid = worker.stdout.readline().split()
        pids[word] = int(pid)
    # Frozen first, so that neither can notice the other's end.
    for name in (pids["guardian"], worker.pid):
        os.kill(name, signal.SIGSTOP)
    for name in (pids["guardian"], worker.pid):
        os.kill(name, signal.SIGKILL)
    worker.wait()
    assert has_died(pids["guardian"])
    assert is_alive(pids["pid"])
    sweep_abandoned()
    assert has_died(pids["pid"], within_seconds=1)
    assert has_died(pids["started"], within_seconds=1)


def test_a_process_whose_guardian_is_dead_is_killed_and_told_of():
    for _ in range(MOST_TRIES):
        with marked(f"{dead_guardian()}:7") as pid:
            swept = sweep_abandoned()
            assert has_died(pid, within_seconds=1)
        if pid in swept:
            return
    pytest.fail("it was never told of")


def test_one_dead_guardian_among_several_is_enough():
    mine = procfs.guard_of(os.getpid())
    with marked(f"{mine}:1,{dead_guardian()}:7") as pid:
        sweep_abandoned()
        assert has_died(pid, within_seconds=1)


def test_a_guardians_pid_that_another_process_has_by_now_does_not_count():
    boot, pid, _ = str(procfs.guard_of(os.getpid())).split(":")
    with marked(f"{boot}:{pid}:1:7") as abandoned:
        sweep_abandoned()
        assert has_died(abandoned, within_seconds=1)


@pytest.mark.parametrize("marker", ["", "nonsense", ":::", "a,b", "00000000-0000-0000:1:1:1"])
def test_a_marker_that_names_no_guardian_of_this_boot_is_left_alone(marker: str):
    with marked(marker) as pid:
        assert pid not in sweep_abandoned()
        assert is_alive(pid)


async def test_the_processes_of_living_guardians_are_left_alone(shell: Any):
    process = await shell.spawn("sleep", "60")
    assert process.pid not in sweep_abandoned()
    assert is_alive(process.pid)


SWEEP_WITH_ANOTHER_CLOCK = """
import os, subprocess, sys
from hive_process import procfs
marker = f"{procfs.guard_of(os.getpid())}:1"
with subprocess.Popen(["sleep", "60"], env={**os.environ, "HIVE_GUARD": marker}) as guarded:
    sweep = "from hive_process.sweep import sweep_abandoned; sweep_abandoned()"
    ahead = ["unshare", "--time", "--boottime", "1000"]
    swept = subprocess.run([*ahead, sys.executable, "-c", sweep])
    print("no such clock" if swept.returncode else guarded.poll())
    guarded.kill()
"""


def test_a_sweeper_whose_clock_since_boot_is_another_leaves_living_guardians_processes_alone():
    """In pids of its own, so that it could only kill what is its own."""
    own_pids = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    argv = [*own_pids, sys.executable, "-c", SWEEP_WITH_ANOTHER_CLOCK]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)
    if done.returncode != 0 or "no such clock" in done.stdout:
        pytest.skip(f"this machine lets nobody have another clock: {done.stderr.strip()}")
    assert done.stdout == "None\n"


SWEEP_WITHOUT_GUARDIAN = """
import os, signal, sys
from hive_process import procfs
from hive_process.sweep import sweep_abandoned
guardian = int(sys.argv[1])
os.kill(guardian, signal.SIGKILL)
while procfs.guard_of(guardian): pass
sweep_abandoned()
print('swept', flush=True)
"""


def sweep_under_a_dying_guardian() -> bytes:
    """Run a sweeper whose guardian dies just before it sweeps; return what is said."""
    with Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as guardian:
        env = {**os.environ, "HIVE_GUARD": f"{procfs.guard_of(guardian.pid)}:7"}
        line = '"$0" -c "$1" "$2" && echo alive'
        argv = ["/bin/sh", "-c", line, sys.executable, SWEEP_WITHOUT_GUARDIAN, str(guardian.pid)]
        return subprocess.run(argv, env=env, check=False, capture_output=True, timeout=30).stdout


def test_the_sweeper_spares_itself_and_its_ancestors():
    said = (sweep_under_a_dying_guardian() for _ in range(MOST_TRIES))
    assert b"swept\nalive\n" in said
