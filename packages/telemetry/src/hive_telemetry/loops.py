"""Run background loops so that an outage outside does not end them, and a mistake inside does.

A process is one task group of loops. A loop outlives `UnavailableError` (Postgres or Redis is away)
and nothing else: any other error is one that nobody has thought through, so it ends the process, a
supervisor starts another, and recovery is the ordinary start.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Never

from hive_contracts.errors import UnavailableError
from hive_contracts.loops import Loop
from hive_telemetry.logs import logger
from hive_telemetry.metrics import Metrics

__all__ = ["keep_ticking", "retry_seconds", "run_loops"]

FIRST_RETRY_SECONDS: Final = 0.1
LONGEST_RETRY_SECONDS: Final = 5.0


async def run_loops(loops: Sequence[Loop]) -> Never:
    """Run every loop until cancelled; when one falls, all fall.

    Raises:
        ExceptionGroup: what the loops fell with.
    """
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(_run_for_ever(loop), name=loop.name)
    raise RuntimeError("there was no loop to run")


async def keep_ticking(
    tick: Callable[[], Awaitable[float | None]], *, name: str, metrics: Metrics
) -> Never:
    """Await `tick` over and over, until it is cancelled or fails.

    `tick` does one round and returns how many seconds to pause before the next; None or 0 for at
    once. While it raises `UnavailableError` it is tried again, ever more slowly; every failed
    round is counted, and an outage that many rounds and loops meet is told once (`outages`).
    """
    metrics.loop_retried(name, 0)
    log = logger(__name__).bind(loop=name)
    failures, reason = 0, ""
    while True:
        try:
            pause_seconds = await tick() or 0
        except UnavailableError as error:
            failures += 1
            metrics.loop_retried(name)
            reason = str(error)
            log.warning("something is away; what needs it waits", error=reason)
            pause_seconds = retry_seconds(failures, jitter=random.random())  # noqa: S311 - no secret
        else:
            if failures:
                log.info("it is back; everything goes on", failed_rounds=failures, over=reason)
            failures = 0
        await asyncio.sleep(pause_seconds)


def retry_seconds(failures: int, *, jitter: float) -> float:
    """Return how long to wait after so many failures in a row (at least 1).

    Doubles up to a cap; `jitter` in [0, 1) spreads it over the upper half, so that the processes
    that lost a server together do not come back together.
    """
    doubled = min(FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 30), LONGEST_RETRY_SECONDS)
    return doubled * (0.5 + jitter / 2)


async def _run_for_ever(loop: Loop) -> Never:
    await loop.run()
    raise RuntimeError(f"the loop {loop.name!r} returned, but a loop runs until it is cancelled")
