"""How the benchmark drives a queue: the commands that the program of each peer understands.

    PROGRAM setup          make what the queue needs in an empty database
    PROGRAM submit N       submit N no-ops as fast as can be, and print the seconds it took
    PROGRAM latency N      submit N numbered no-ops, each after the one before has begun
    PROGRAM worker         run tasks until killed

Programs run with the Python of the queue's own environment. Hive's is no program: the benchmark,
which runs with Hive's own Python, calls what it has.
"""

import asyncio
import json
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

import uvloop

from peers.probe import Probe, here

__all__ = ["Peer", "all_at_once", "drive", "submit_numbered", "submit_timed"]

LONGEST_SECONDS = 60.0
LOOK_SECONDS = 0.001


class Peer(ABC):
    """A queue, as its own documentation would have it used."""

    async def set_up(self) -> None:  # noqa: B027 - not every peer has something to make
        """Make what the queue needs in the database; nothing for most that live in Redis."""

    @abstractmethod
    async def open(self) -> None:
        """Connect, to submit."""

    async def close(self) -> None:  # noqa: B027 - most are closed by their process's end
        """Disconnect; for those that would complain."""

    @abstractmethod
    async def submit_many(self, count: int) -> None:
        """Submit no-ops, by the quickest way that is documented."""

    @abstractmethod
    async def submit_one(self, number: int) -> None:
        """Submit one numbered no-op."""

    @abstractmethod
    def work(self) -> None:
        """Be a worker, until killed."""


def drive(peer: Peer) -> None:
    """Do what the command line says."""
    command, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if command == "worker":
        peer.work()
    else:
        uvloop.run(_obey(peer, command, count))


async def all_at_once(count: int, chunk: int, submit: Callable[[], Awaitable[object]]) -> None:
    """Submit one by one, `chunk` of them under way at a time."""

    async def one() -> None:
        await submit()

    for begin in range(0, count, chunk):
        async with asyncio.TaskGroup() as group:
            for _ in range(min(chunk, count - begin)):
                group.create_task(one())


async def submit_timed(peer: Peer, count: int) -> float:
    """Submit no-ops; return the seconds it took, connecting not counted."""
    await peer.open()
    try:
        began = time.perf_counter()
        await peer.submit_many(count)
        return time.perf_counter() - began
    finally:
        await peer.close()


async def submit_numbered(peer: Peer, probe: Probe, count: int) -> None:
    """Submit no-ops one by one, each when the one before has begun and all is idle again."""
    await peer.open()
    try:
        dice = random.Random(7)
        for number in range(count):
            probe.sent(number)
            await peer.submit_one(number)
            async with asyncio.timeout(LONGEST_SECONDS):
                while not probe.has_begun(number):  # noqa: ASYNC110 - another process does it
                    await asyncio.sleep(LOOK_SECONDS)
            # Whatever polls is to be met at any point of its round.
            await asyncio.sleep(0.005 + dice.random() * 0.01)
    finally:
        await peer.close()


async def _obey(peer: Peer, command: str, count: int) -> None:
    if command == "setup":
        await peer.set_up()
    elif command == "submit":
        print(json.dumps({"seconds": await submit_timed(peer, count)}))
    else:
        await submit_numbered(peer, here(), count)
