"""How many `/bin/true` a second, output captured: the guarded spawner against a plain loop.

    python packages/process/tests/bench/spawn.py [--count 2000] [--rounds 7] [--flight 8]

The plain loop is what one process could do at best from Python: `os.posix_spawn`, a pidfd and two
pipes for each, one epoll for all, no event loop and no promises. Rounds alternate between the two,
because machines get slower and faster; the ratio is that of neighbouring rounds.
"""

import argparse
import asyncio
import os
import select
import statistics
import sys
import time

import uvloop

from hive_contracts.execution import Stream, Tools
from hive_contracts.spawning import Launch
from hive_process.command import CommandExecutor
from hive_process.pipes import OutputPipe
from hive_process.spawner import GuardedSpawner
from hive_testkit.attempts import RecordingAttempt

PROGRAM = "/bin/true"
ENV = {"PATH": "/usr/bin:/bin"}


class PlainLoop:
    """The yardstick: one thread, one epoll, nothing else."""

    def __init__(self) -> None:
        self.poll = select.epoll()
        self.open: dict[int, tuple[int, int]] = {}
        """Descriptor -> pid (0 for a pipe) and the slot it belongs to."""

        self.left: dict[int, int] = {}

    def start(self, slot: int) -> None:
        pipes = [os.pipe(), os.pipe()]
        actions = [(os.POSIX_SPAWN_DUP2, pipes[0][1], 1), (os.POSIX_SPAWN_DUP2, pipes[1][1], 2)]
        pid = os.posix_spawn(PROGRAM, [PROGRAM], ENV, file_actions=actions)
        for ours, theirs in pipes:
            os.close(theirs)
            self.watch(ours, 0, slot)
        self.watch(os.pidfd_open(pid), pid, slot)
        self.left[slot] = 3

    def watch(self, descriptor: int, pid: int, slot: int) -> None:
        self.open[descriptor] = pid, slot
        self.poll.register(descriptor, select.EPOLLIN)

    def handle(self, descriptor: int) -> int | None:
        """Return the slot if it has become free."""
        pid, slot = self.open[descriptor]
        if pid:
            os.waitpid(pid, 0)
        elif os.read(descriptor, 65536):
            return None
        self.poll.unregister(descriptor)
        os.close(descriptor)
        del self.open[descriptor]
        self.left[slot] -= 1
        return None if self.left[slot] else slot

    def run(self, count: int, flight: int) -> float:
        begun = time.perf_counter()
        for slot in range(flight):
            self.start(slot)
        started, ended = flight, 0
        while ended < count:
            for descriptor, _ in self.poll.poll():
                slot = self.handle(descriptor)
                if slot is not None:
                    ended += 1
                    if started < count:
                        started += 1
                        self.start(slot)
        return count / (time.perf_counter() - begun)


async def guarded(spawner: GuardedSpawner, count: int, flight: int) -> float:
    """Return the rate of the spawner, with output captured as the executor does."""
    numbers = iter(range(count))

    async def one_slot() -> None:
        for _ in numbers:
            with OutputPipe(lambda _: None) as out, OutputPipe(lambda _: None) as err:
                files = {1: out.far_end, 2: err.far_end}
                process = await spawner.spawn(Launch(argv=(PROGRAM,), env=ENV, files=files))
                out.begin()
                err.begin()
                await process.wait()
                await out.finish()
                await err.finish()

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(flight):
            group.create_task(one_slot())
    return count / (time.perf_counter() - begun)


async def executed(spawner: GuardedSpawner, count: int, flight: int) -> float:
    """Return the rate of the whole executor."""
    numbers = iter(range(count))
    async with CommandExecutor.open(Tools(spawner=spawner)) as executor:

        async def one_slot() -> None:
            for _ in numbers:
                attempt = RecordingAttempt.of("command", {"argv": [PROGRAM]})
                await executor.run(attempt)
                assert not attempt.output(Stream.STDOUT)

        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(flight):
                group.create_task(one_slot())
        return count / (time.perf_counter() - begun)


async def rounds(count: int, number: int, flight: int) -> None:
    async with GuardedSpawner.open() as spawner:
        rates: list[tuple[float, float, float]] = []
        for _ in range(number):
            plain = PlainLoop().run(count, flight)
            rates.append(
                (
                    plain,
                    await guarded(spawner, count, flight),
                    await executed(spawner, count, flight),
                )
            )
    names = ("plain loop", "guarded spawner", "command executor")
    for index, name in enumerate(names):
        of_name = [row[index] for row in rates]
        ratios = [row[index] / row[0] for row in rates]
        sys.stdout.write(
            f"{name:17} {statistics.median(of_name):6.0f}/s  ({min(of_name):.0f} to "
            f"{max(of_name):.0f})  ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})\n"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--flight", type=int, default=8)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    chosen = parser.parse_args()
    factory = uvloop.new_event_loop if chosen.loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(rounds(chosen.count, chosen.rounds, chosen.flight))


if __name__ == "__main__":
    main()
