"""How many `/bin/true` a second, output captured: the guarded spawner against a plain loop.

    python tests/bench/spawn.py [--count 2000] [--rounds 7] [--flight 8]

The plain loop is that of hive_bench/plain_spawn.py. Rounds alternate between the two,
because machines get slower and faster; the ratio is that of neighbouring rounds.
"""

import argparse
import asyncio
import statistics
import sys
import time

import uvloop

from hive_bench.plain_spawn import ENV, PROGRAM, PlainLoop
from hive_contracts.execution import Stream, Tools
from hive_contracts.spawning import Launch
from hive_process.command import CommandExecutor
from hive_process.pipes import OutputPipe
from hive_process.spawner import GuardedSpawner
from hive_testkit.attempts import RecordingAttempt


def drop(_: bytes) -> None:
    """Take output, and keep none."""


def nothing() -> None:
    """Hear of the end of output."""


async def guarded(spawner: GuardedSpawner, count: int, flight: int) -> float:
    """Return the rate of the spawner, with output captured as the executor does."""
    numbers = iter(range(count))

    async def one_slot() -> None:
        for _ in numbers:
            with OutputPipe(drop, nothing) as out, OutputPipe(drop, nothing) as err:
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
