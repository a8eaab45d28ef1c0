"""What commands print: how soon it is on a screen, and what a flood and a silence cost."""

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from typing import Final

import psutil

from hive_bench.accounting import own_cpu_seconds, resident_mib_of_worker
from hive_bench.bench import Bench
from hive_bench.candidates import HIVE, hive_processes
from hive_bench.crew import Crew, FailedError
from hive_bench.rows.row import Measured, Row
from hive_bench.running_commands import submit_commands

__all__ = ["OUTPUT"]

LONGEST_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.02
SETTLING_SECONDS: Final = 2.0
NEIGHBOURS: Final = 5

PRINT: Final = """
import json, sys, time
for seconds in json.loads(sys.argv[1]):
    time.sleep(seconds)
    print(time.monotonic_ns(), flush=True)
"""
"""The clock is one for all processes of the machine."""


async def _first_byte(bench: Bench) -> Measured:
    # After a second and more of silence, each at another moment between two looks.
    pauses = [1.2 + random.random() / 2 for _ in range(bench.scale.printed + 1)]
    argv = [sys.executable, "-ISc", PRINT, json.dumps(pauses)]
    async with bench.crew("hive") as crew:
        with crew.at_work(processes=hive_processes(1, "--async")):
            [task_id] = await submit_commands(crew, [argv])
            # The first may come before anybody looks.
            times = (await _seen(crew, task_id))[1:]
    hundredths = statistics.quantiles(times, n=100, method="inclusive")
    return Measured([[hundredths[49]], [hundredths[94]]], {"milliseconds": times})


async def _seen(crew: Crew, task_id: int) -> list[float]:
    """Return after how many milliseconds each line was on the screen of who follows the log."""
    follower = await asyncio.create_subprocess_exec(
        *HIVE, "logs", "--follow", str(task_id), env=dict(crew.environment), stdout=subprocess.PIPE
    )
    found: list[float] = []
    try:
        if follower.stdout is None:
            raise AssertionError("a pipe was asked for")
        async with asyncio.timeout(LONGEST_SECONDS):
            while line := await follower.stdout.readline():
                found.append((time.monotonic_ns() - int(line)) / 1e6)
    except TimeoutError:
        raise FailedError(f"the log of task {task_id} did not end") from None
    finally:
        if follower.returncode is None:
            follower.kill()
        await follower.wait()
    return found


async def _flood(bench: Bench) -> Measured:
    size = bench.scale.flooded_bytes
    grown: list[float] = []
    rates: list[float] = []
    neighbours: list[float] = []
    for _ in range(bench.scale.few_rounds):
        async with bench.crew("hive") as crew:
            with crew.at_work(processes=hive_processes(1, "--async", "--slots", "4")) as pids:
                # What a first command needs is there before it is counted.
                await submit_commands(crew, [["seq", "1000000"]] * 4)
                await _until_finished(crew)
                before = psutil.Process(pids["worker"][0]).memory_info().rss
                await submit_commands(
                    crew, [["head", "-c", str(size), "/dev/zero"]] + [["true"]] * NEIGHBOURS
                )
                most = await _most_resident(crew, pids["worker"][0])
            async with bench.ground.connected(crew.database) as connection:
                lengths = await connection.fetch(
                    "select payload->'argv'->>0 as program,"
                    " extract(epoch from finished_at - started_at)::double precision as seconds"
                    " from hive.task order by id offset 4"
                )
        grown.append(max((most - before) / 2**20, 0.01))
        rates.append(size / 2**20 / lengths[0]["seconds"])
        neighbours.append(1000 * max(row["seconds"] for row in lengths[1:]))
    return Measured([grown], {"MiB/s printed": rates, "neighbours, longest ms": neighbours})


async def _until_finished(crew: Crew) -> None:
    await crew.until_finished(within_seconds=LONGEST_SECONDS, look_seconds=LOOK_SECONDS)


async def _most_resident(crew: Crew, pid: int) -> int:
    """Return the most memory that a process had resident until nothing was unfinished."""
    most, process = 0, psutil.Process(pid)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_until_finished(crew))
        while not waiting.done():
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(LOOK_SECONDS)
    return most


async def _silent(bench: Bench) -> Measured:
    count, seconds = bench.scale.silent, bench.scale.silent_seconds
    processes = hive_processes(1, "--async", "--slots", str(count))
    async with bench.crew("hive") as crew:
        with crew.at_work(processes=processes) as pids:
            await submit_commands(crew, [["sleep", "600"]] * count)
            await _until_running(crew, count)
            await asyncio.sleep(min(SETTLING_SECONDS, seconds))
            [worker] = pids["worker"]
            before, begun = own_cpu_seconds(worker), time.perf_counter()
            await asyncio.sleep(seconds)
            busy = (own_cpu_seconds(worker) - before) / (time.perf_counter() - begun)
            memory = resident_mib_of_worker(worker)
    return Measured([[100 * busy], [memory]], {})


async def _until_running(crew: Crew, count: int) -> None:
    async with (
        crew.ground.connected(crew.database) as connection,
        asyncio.timeout(LONGEST_SECONDS),
    ):
        question = "select count(*) from hive.task where state = 'running'"
        while await connection.fetchval(question) < count:  # noqa: ASYNC110 - only the store knows
            await asyncio.sleep(LOOK_SECONDS)


OUTPUT: Final = (
    Row(
        name="logs-first-byte",
        says="milliseconds from a command's print to the screen of `hive logs -f`, p50 and p95",
        reach=(None, 250),
        measure=_first_byte,
        is_less_better=True,
    ),
    Row(
        name="flood-memory",
        says="MiB by which a worker grows while a command prints 8 GiB as fast as it can",
        reach=(32,),
        measure=_flood,
        is_less_better=True,
    ),
    Row(
        name="silent",
        says="a worker with 200 commands that print nothing, guardian included: % of a processor,"
        " resident MiB",
        reach=(1, 100),
        measure=_silent,
        is_less_better=True,
    ),
)
