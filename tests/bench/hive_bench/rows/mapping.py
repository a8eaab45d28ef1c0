"""A command for each line: what durability costs beside tools that keep nothing."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hive_bench.bench import Bench
from hive_bench.candidates import HIVE, hive_processes
from hive_bench.crew import FailedError
from hive_bench.environments import Environments
from hive_bench.rows.row import Measured, Row

__all__ = ["MAPPING"]

IN_FLIGHT: Final = 8
LONGEST_SECONDS: Final = 300.0
COMMAND: Final = "/bin/true"


async def _against(bench: Bench, name: str, program: Sequence[str]) -> Measured:
    """Run a command for so many lines, by turns as `hive map` and as another tool."""
    lines = "".join(f"{number}\n" for number in range(bench.scale.mapped)).encode()
    found: dict[str, list[float]] = {"hive map": [], name: []}
    for _ in range(bench.scale.few_rounds):
        async with bench.crew("hive") as crew:
            processes = hive_processes(1, "--async", "--slots", str(IN_FLIGHT))
            with crew.at_work(processes=processes):
                argv = [*HIVE, "map", "--quiet", "--", COMMAND, "{}"]
                found["hive map"].append(await _milliseconds(argv, lines, crew.environment))
            found[name].append(await _milliseconds(program, lines, crew.environment))
    ratios = [ours / other for ours, other in zip(found["hive map"], found[name], strict=True)]
    return Measured([ratios], {"ms a line": found})


async def _milliseconds(argv: Sequence[str], lines: bytes, env: Mapping[str, str]) -> float:
    """Return how long a line took, from the tool's start to its end."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            _, said = await process.communicate(lines)
    except TimeoutError:
        raise FailedError(f"{argv[0]} did not end") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise FailedError(f"{argv} ended with {process.returncode}: {last}")
    return 1000 * (time.perf_counter() - begun) / lines.count(b"\n")


def _parallel(places: Environments) -> Sequence[str]:
    return places.parallel(), f"-j{IN_FLIGHT}", COMMAND


def _xargs(_: Environments) -> Sequence[str]:
    return "xargs", f"-P{IN_FLIGHT}", "-n1", COMMAND


def _row(name: str, says: str, program: Callable[[Environments], Sequence[str]]) -> Row:
    async def measure(bench: Bench) -> Measured:
        return await _against(bench, says, program(bench.environments))

    return Row(
        name=name,
        says=f"time a line, {IN_FLIGHT} at once: `hive map` / {says}, which keeps nothing",
        reach=(None,),
        measure=measure,
        is_less_better=True,
    )


MAPPING: Final = (
    _row("map-parallel", "GNU parallel", _parallel),
    _row("map-xargs", "xargs", _xargs),
)
