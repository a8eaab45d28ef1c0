"""A Ctrl-C ends a command at whatever moment it comes."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from types import FrameType

import pytest
import uvloop

from hive.running import run_main

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
BLOCKING = """
from hive.running import run_main
async def block():
    print("begun", flush=True)
    for line in open(0):
        pass
run_main(block())
"""

IGNORING = """
import os, signal
from hive.running import run_main
async def go_on():
    os.kill(os.getpid(), signal.SIGINT)
    print("went on")
signal.signal(signal.SIGINT, signal.SIG_IGN)
run_main(go_on())
"""

ANSWERING = """
import asyncio, os, signal
from hive.running import run_main
async def answer():
    os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "in its own words"
print(run_main(answer()), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


class Finger:
    """Presses Ctrl-C when Python has called and returned so often, unless it is lifted before.

    It is lifted where the loop is closed: a Ctrl-C raises there as it does anywhere, but leaves
    asyncio of this process in no state to go on.
    """

    def __init__(self, step: int) -> None:
        self._left = step
        sys.setprofile(self._count)

    def lift(self) -> bool:
        """Press no more; return whether it has."""
        sys.setprofile(None)
        return self._left <= 0

    def _count(self, frame: FrameType, _event: str, _argument: object) -> None:
        if frame.f_code is asyncio.Runner.close.__code__:
            self.lift()
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGINT)


async def look_and_go() -> None:
    """Do as redis-py does on a new connection: look whether anything is there, and not wait."""
    for _ in range(2):
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()


def lost_presses(run: Callable[[Coroutine[object, object, None]], None]) -> list[int]:
    """Return at which steps, up to the last, a Ctrl-C did not end the coroutine as it should."""
    lost: list[int] = []
    for step in itertools.count(1):
        try:
            finger = Finger(step)
            run(look_and_go())
            if not finger.lift():
                break
            lost.append(step)
        except KeyboardInterrupt:
            continue
        except asyncio.CancelledError:
            lost.append(step)
        finally:
            sys.setprofile(None)
    return lost


@pytest.mark.parametrize("loop", LOOPS)
def test_no_ctrl_c_is_lost_at_whatever_moment_it_comes(loop: str) -> None:
    # In a process with one thread, as a command's is: the system gives a signal to any.
    done = subprocess.run(
        [sys.executable, __file__, loop], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def test_a_second_ctrl_c_ends_what_waits_for_somebody_to_type() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BLOCKING],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
    assert process.returncode == -signal.SIGINT


def printed_by(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    assert printed_by(IGNORING) == "went on\n"


def test_who_answers_a_ctrl_c_has_the_last_word_and_all_is_as_before() -> None:
    assert printed_by(ANSWERING) == "in its own words True\nset()\n"


if __name__ == "__main__":
    run = partial(run_main, new_loop=LOOPS[sys.argv[1]])
    sys.exit(f"lost at {lost}" if (lost := lost_presses(run)) else 0)
