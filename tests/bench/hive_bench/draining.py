"""One drain: so many no-ops are submitted, then workers start, and the time to the end is taken.

The time begins at the first handler, so that starting Python is nobody's loss, and it ends when the
store has nothing unfinished, so that what a queue writes afterwards counts. Processor time is taken
at the same two moments.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hive_bench.accounting import cpu_seconds, resident_mib
from hive_bench.crew import Crew, FailedError

__all__ = ["Drain", "drain"]

LOOK_SECONDS: Final = 0.004
STALL_SECONDS: Final = 30.0
QUARTERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What one drain came to."""

    tasks: int
    seconds: float
    tasks_per_second: float
    submitted_per_second: float
    cpu_microseconds: Mapping[str, float]
    """Processor time per task, by role."""

    resident_mib: Mapping[str, float]
    """Resident memory at the end, by role; what is below a role's processes is apart."""

    quarters: tuple[float, ...]
    """Handlers begun a second, in each quarter of the tasks."""


async def drain(
    crew: Crew,
    count: int,
    workers: int = 1,
    *,
    meanwhile: Callable[[Mapping[str, list[int]]], None] | None = None,
) -> Drain:
    """Submit `count` no-ops and drain them; `meanwhile` is called with the processes as it begins.

    Raises:
        FailedError: nothing moved for a while.
    """
    submitted = await crew.submit(count)
    with crew.at_work(workers) as pids:
        everyone = {**pids, **crew.ground.pids()}
        began, first = await _first_handlers(crew)
        cpu_before = cpu_seconds(everyone)
        if meanwhile is not None:
            meanwhile(pids)
        passed = await _watch(crew, count, [(began, first)])
        await crew.until_finished(within_seconds=STALL_SECONDS, look_seconds=LOOK_SECONDS)
        seconds = time.perf_counter() - began
        cpu = cpu_seconds(everyone)
        memory = resident_mib(pids)
    # At once, if all of them were through before the first look.
    counted = count - first or count
    return Drain(
        tasks=count,
        seconds=seconds,
        tasks_per_second=counted / seconds,
        submitted_per_second=submitted,
        cpu_microseconds={r: 1e6 * (cpu[r] - cpu_before[r]) / counted for r in everyone},
        resident_mib=memory,
        quarters=_quarters(passed, count),
    )


async def _first_handlers(crew: Crew) -> tuple[float, int]:
    """Return the moment at which handlers were first seen to run, and how many had."""
    give_up_at = time.perf_counter() + STALL_SECONDS
    while not (first := crew.ground.probe.total):
        if time.perf_counter() > give_up_at:
            raise FailedError(f"{crew.candidate.name} began nothing: {crew.last_words()}")
        await asyncio.sleep(LOOK_SECONDS)
    return time.perf_counter(), first


async def _watch(
    crew: Crew, count: int, passed: list[tuple[float, int]]
) -> list[tuple[float, int]]:
    """Return moments and how many handlers had begun by then, once all have."""
    while passed[-1][1] < count:
        await asyncio.sleep(LOOK_SECONDS)
        now, total = time.perf_counter(), crew.ground.probe.total
        if total > passed[-1][1]:
            passed.append((now, total))
        elif now > passed[-1][0] + STALL_SECONDS:
            raise FailedError(
                f"{crew.candidate.name} stood still at {total} of {count}: {crew.last_words()}"
            )
    return passed


def _quarters(passed: list[tuple[float, int]], count: int) -> tuple[float, ...]:
    """Return the rate in each quarter; one that passed between two looks takes that long."""
    ends = [
        next(mark for mark in passed if mark[1] * QUARTERS >= count * quarter)
        for quarter in range(1, QUARTERS + 1)
    ]
    # Not what was counted between the marks: several quarters may have passed at one of them.
    return tuple(
        count / QUARTERS / max(after[0] - before[0], LOOK_SECONDS)
        for before, after in itertools.pairwise([passed[0], *ends])
    )
