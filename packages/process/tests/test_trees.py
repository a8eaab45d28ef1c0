"""The end of a tree: whatever it did to hide, nothing of it is left when its end is told."""

import asyncio
import os
import platform
import signal
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from hive_testkit.processes import has_died, is_alive

DAEMON = """
import os, signal, sys, time
ready = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {first}
        print(os.getpid(), flush=True)
        os.write(ready[1], b'x')
        {then}
    os._exit(0)
os.wait()
os.read(ready[0], 1)
{main}
"""
"""Forks twice, with a session of its own between, as daemons do; the main process waits for it."""

SLEEP = "time.sleep(60)"
UP = "os.write(2, b'up'); " + SLEEP


def daemon(*, first: str = "", then: str = SLEEP, main: str = "") -> str:
    return DAEMON.format(first=first, then=then, main=main)


DYING = """
import os, time
pid = os.fork()
if pid == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
    much = b"x" * (512 << 20)
    os._exit(0)
try:
    while open(f"/proc/{pid}/environ", "rb").read():
        pass
except OSError:
    pass
os._exit(0)
"""
"""Its child takes long to die, because much memory must be given back, and leaves a daemon. The
main process ends when that child has let go of its environment, and is not dead."""

HELD = """
import ctypes, os, signal, sys, time
assert ctypes.CDLL(None).unshare(0x20000000) == 0
pid = os.fork()
if pid == 0:
    os.setsid()
    time.sleep(60)
with open(sys.argv[1], "w") as file:
    print(pid, file=file)
while not os.path.exists(sys.argv[1] + ".entered"):
    time.sleep(0.01)
os.kill(pid, signal.SIGKILL)
try:
    while open(f"/proc/{pid}/environ", "rb").read():
        pass
except OSError:
    pass
os._exit(0)
"""
"""Its child is the first of a PID namespace: that dies when all others in there are waited for."""

HOLDER = """
until [ -s $0 ]; do sleep 0.01; done
nsenter --target $(cat $0) --pid --no-fork sh -c 'touch $0.entered & exec sleep 60' $0
"""
"""Of another tree; it starts one in that namespace, and does not wait for it."""

SHED = daemon(then="os.execve('/bin/sleep', ['sleep', '60'], {})")


async def test_a_daemon_dies_with_the_process_that_started_it(shell: Any):
    process = await shell.python(daemon(main="os._exit(3)"))
    ended = await process.wait()
    assert not any(map(is_alive, shell.pids()))
    assert (ended.code, ended.left_behind, len(shell.pids())) == (3, 1, 1)


async def test_a_daemon_is_known_by_its_marker_while_other_trees_live(shell: Any):
    other = await shell.spawn("sleep", "60")
    ended = await (await shell.python(daemon())).wait()
    (pid,) = shell.pids()
    assert not is_alive(pid)
    assert ended.left_behind == 1
    assert is_alive(other.pid)


async def test_who_dies_and_cannot_say_whose_it_is_holds_up_the_end_until_it_is_dead(shell: Any):
    other = await shell.spawn("sleep", "60")
    ended = await (await shell.python(DYING)).wait()
    (daemon_pid,) = shell.pids()
    assert not is_alive(daemon_pid)
    assert (ended.code, ended.left_behind) == (0, 1)
    assert is_alive(other.pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a PID namespace")
async def test_who_takes_for_ever_to_die_holds_up_nobody_for_longer_than_a_second(
    shell: Any, tmp_path: Path
):
    told = str(tmp_path / "pid")
    holder = await shell.spawn("sh", "-c", HOLDER, told)
    process = await shell.spawn(sys.executable, "-ISc", HELD, told)
    async with asyncio.timeout(20):
        assert (await process.wait()).code == 0
        dying = int(Path(told).read_text())
        assert is_alive(dying)
        assert (await shell.run("true")).code == 0
        await holder.stop(grace_seconds=5)
    assert has_died(dying)


async def test_a_daemon_that_has_shed_session_and_environment_dies_as_well(shell: Any):
    process = await shell.python(SHED)
    ended = await process.wait()
    assert not any(map(is_alive, shell.pids()))
    assert (ended.code, ended.left_behind, len(shell.pids())) == (0, 1, 1)


async def test_one_that_could_be_of_either_of_two_trees_dies_with_the_last(shell: Any):
    other = await shell.spawn("sleep", "60")
    process = await shell.python(SHED)
    await process.wait()
    (stray,) = shell.pids()
    ended = await other.stop(grace_seconds=5)
    assert ended.signal == signal.SIGTERM
    assert not is_alive(stray)


async def test_the_end_of_one_tree_leaves_the_daemons_of_others_alone(shell: Any):
    process = await shell.python(daemon(main=UP))
    assert await shell.word() == "up"
    (pid,) = shell.pids()
    assert (await shell.run("true")).left_behind == 0
    assert is_alive(pid)
    await process.stop(grace_seconds=5)
    assert not is_alive(pid)


async def test_a_leftover_may_tidy_up_before_it_dies(shell: Any):
    tidy = "signal.signal(signal.SIGTERM, lambda *_: (print('0', flush=True), os._exit(0)))"
    ended = await (await shell.python(daemon(first=tidy))).wait()
    assert ended.left_behind == 1
    pid, tidied = shell.pids()
    assert not is_alive(pid)
    assert tidied == 0


async def test_a_leftover_that_does_not_listen_is_killed_after_a_second(shell: Any):
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    process = await shell.python(daemon(first=deaf))
    begun = monotonic()
    ended = await process.wait()
    assert not any(map(is_alive, shell.pids()))
    assert ended.left_behind == 1
    assert 0.9 < monotonic() - begun < 5


async def test_an_end_without_leftovers_is_told_at_once(shell: Any):
    await shell.run("true")
    begun = monotonic()
    await shell.run("true")
    assert monotonic() - begun < 0.5


async def test_stopping_is_told_to_the_whole_tree(shell: Any):
    child = "trap 'echo child; exit' TERM; echo up >&2; while :; do sleep 0.01; done"
    parent = f"trap 'wait; echo parent; exit 7' TERM; (setsid sh -c \"{child}\") & wait"
    process = await shell.spawn("sh", "-c", parent)
    assert await shell.word() == "up"
    ended = await process.stop(grace_seconds=10)
    assert shell.printed().split() == ["child", "parent"]
    assert (ended.code, ended.left_behind) == (7, 0)


async def test_a_deaf_process_is_killed_after_the_grace(shell: Any):
    process = await shell.spawn("sh", "-c", "trap '' TERM; echo up >&2; while :; do sleep 1; done")
    assert await shell.word() == "up"
    begun = monotonic()
    ended = await process.stop(grace_seconds=0.3)
    assert ended.signal == signal.SIGKILL
    assert 0.25 < monotonic() - begun < 3


async def test_without_a_grace_it_is_killed_at_once(shell: Any):
    process = await shell.spawn("sh", "-c", "trap 'echo heard' TERM; echo up >&2; sleep 60 & wait")
    assert await shell.word() == "up"
    assert (await process.stop(grace_seconds=0)).signal == signal.SIGKILL
    assert shell.printed() == ""


async def test_a_second_stop_may_shorten_the_grace(shell: Any):
    process = await shell.spawn("sh", "-c", "trap '' TERM; echo up >&2; while :; do sleep 1; done")
    assert await shell.word() == "up"
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        patient = group.create_task(process.stop(grace_seconds=60))
        await asyncio.sleep(0)
        assert (await process.stop(grace_seconds=0.1)).signal == signal.SIGKILL
    assert patient.result().signal == signal.SIGKILL


async def test_a_process_that_stands_still_is_stopped_within_the_grace(shell: Any):
    process = await shell.spawn("sh", "-c", "echo up >&2; kill -STOP $$; sleep 60")
    assert await shell.word() == "up"
    async with asyncio.timeout(10):
        assert (await process.stop(grace_seconds=60)).signal == signal.SIGTERM


async def test_stopping_what_has_ended_tells_how_it_ended(shell: Any):
    process = await shell.spawn("sh", "-c", "exit 5")
    await process.wait()
    assert (await process.stop(grace_seconds=1)).code == 5


CHAIN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os.write(2, b'up')
    {parent}
else:
    os.setsid()
    while True:
        if os.fork():
            os._exit(0)
"""
"""The child hands itself on from process to process: no pid lives long enough to be hit."""


@pytest.mark.parametrize("parent", ["os._exit(0)", "time.sleep(60)"])
async def test_a_tree_that_forks_on_and_on_is_ended(parent: str, shell: Any):
    process = await shell.python(CHAIN.format(parent=parent))
    assert await shell.word() == "up"
    async with asyncio.timeout(20):
        await process.stop(grace_seconds=0.1)
    assert no_sign_of(shell)


STORM = """
import os, time
os.write(2, b'up')
for generation in range(6):
    os.fork()
while True:
    if os.fork() == 0:
        time.sleep(0.05)
        os._exit(0)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError: pass
    time.sleep(0.01)
"""


async def test_a_tree_that_grows_in_all_directions_is_ended(shell: Any):
    process = await shell.python(STORM)
    assert await shell.word() == "up"
    async with asyncio.timeout(20):
        assert (await process.stop(grace_seconds=0)).signal == signal.SIGKILL
    assert no_sign_of(shell)


def no_sign_of(shell: Any) -> bool:
    """Return whether no child of the guardian is alive."""
    guardian = shell.spawner.guardian_pid
    children = Path(f"/proc/{guardian}/task/{guardian}/children").read_text().split()
    return not any(is_alive(int(pid)) for pid in children)


FIRST_THREAD_ENDS = """
import ctypes, os, threading, time
ready = os.pipe()
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    threading.Thread(target=time.sleep, args=(60,)).start()
    os.write(ready[1], b'up')
    ctypes.CDLL(None).syscall({exit_thread}, 0)
os.read(ready[0], 2)
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the number differs")
async def test_a_process_whose_first_thread_has_ended_is_not_taken_for_dead(shell: Any):
    number = {"x86_64": 60, "aarch64": 93}[platform.machine()]
    process = await shell.python(FIRST_THREAD_ENDS.format(exit_thread=number))
    ended = await process.wait()
    assert (ended.code, ended.left_behind) == (0, 1)
    assert all(has_died(pid, within_seconds=0) for pid in shell.pids())


THREAD = """
import os, threading, time

def go():
    print(os.spawnvp(os.P_NOWAIT, 'setsid', ['setsid', 'sleep', '60']), flush=True)
    os.write(2, b'up')
    time.sleep(60)

threading.Thread(target=go).start()
time.sleep(60)
"""


async def test_the_child_of_a_thread_is_found(shell: Any):
    process = await shell.python(THREAD)
    assert await shell.word() == "up"
    await process.stop(grace_seconds=5)
    assert not any(map(is_alive, shell.pids()))


async def test_a_guardian_within_a_tree_ends_with_it(shell: Any):
    worker = Path(__file__).parent / "programs" / "worker.py"
    line = "setsid sh -c 'echo $$; echo up >&2; sleep 60' & sleep 60"
    shell.env |= {"PYTHONUNBUFFERED": "1"}
    process = await shell.spawn(sys.executable, str(worker), line)
    assert await shell.word() == "up"
    await process.stop(grace_seconds=0)
    pids = [int(word) for word in shell.printed().split() if word.isdigit()]
    assert len(pids) >= 2
    assert not any(map(is_alive, pids))
    assert os.getpid() not in pids
