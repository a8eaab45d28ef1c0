"""A Ctrl-C ends a command at whatever moment it comes."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType

from hive.running import run_main

LONG_SECONDS = 0.2


class Finger:
    """Presses Ctrl-C when Python has called and returned so often, unless it is lifted before."""

    def __init__(self, step: int) -> None:
        self._left = step
        sys.setprofile(self._count)

    def lift(self) -> bool:
        """Press no more; return whether it has."""
        sys.setprofile(None)
        return self._left <= 0

    def _count(self, _frame: FrameType, _event: str, _argument: object) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGINT)


async def look_and_wait(finger: Finger) -> bool:
    """Do as redis-py does on a new connection: look whether anything is there, and not wait.

    Returns False if Ctrl-C was not pressed until then; else it should not return.
    """
    for _ in range(2):
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()
    if was_pressed := finger.lift():
        await asyncio.sleep(LONG_SECONDS)
    return was_pressed


def lost_presses(run: Callable[[Coroutine[object, object, bool]], bool]) -> list[int]:
    """Return at which steps, up to the last, a Ctrl-C did not end the coroutine as it should."""
    lost: list[int] = []
    for step in itertools.count(1):
        try:
            finger = Finger(step)
            if not run(look_and_wait(finger)):
                break
            lost.append(step)
        except KeyboardInterrupt:
            continue
        except asyncio.CancelledError:
            lost.append(step)
        finally:
            sys.setprofile(None)
    return lost


def test_no_ctrl_c_is_lost_at_whatever_moment_it_comes() -> None:
    # In a process with one thread, as a command's is: the system gives a signal to any.
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


if __name__ == "__main__":
    sys.exit(f"lost at {lost}" if (lost := lost_presses(run_main)) else 0)
