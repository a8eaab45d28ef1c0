"""Signals are counted as they are delivered, on the loop that workers run on too."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import pytest
import uvloop

from hive.signals import heard

PAIRS = 5000

SENDER = """
import os, random, signal, sys, time
receiver, pairs = map(int, sys.argv[1:])
for _ in range(pairs):
    os.kill(receiver, signal.SIGINT)
    # So that the second meets every point of the first one's way.
    until = time.perf_counter() + random.random() * 1e-4
    while time.perf_counter() < until:
        pass
    os.kill(receiver, signal.SIGTERM)
    time.sleep(0.001)
"""


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_two_signals_at_once_are_never_heard_as_three(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    count = 0

    def hear() -> None:
        nonlocal count
        count += 1

    async def receive() -> None:
        with heard(hear):
            sender = await asyncio.create_subprocess_exec(
                sys.executable, "-S", "-E", "-c", SENDER, str(os.getpid()), str(PAIRS)
            )
            await sender.wait()

    before = signal.getsignal(signal.SIGTERM)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(receive())
    # The kernel takes two of one kind for one while the first is pending, on a busy machine often.
    assert PAIRS < count <= 2 * PAIRS
    assert signal.getsignal(signal.SIGTERM) is before
