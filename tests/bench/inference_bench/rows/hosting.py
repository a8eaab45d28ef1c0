"""What else a host costs: the event loop's lag, the wait for a first token, memory."""

from typing import Final

from inference_bench.rows.row import Measured
from inference_bench.serving import serving
from inference_bench.shapes import D128, SONNET
from inference_bench.workbench import Workbench

__all__ = ["measure_first_token", "measure_lag", "measure_memory"]

CHILDREN: Final = 2
MOST: Final = 32
WARM_UP: Final = 64


async def measure_lag(bench: Workbench) -> Measured:
    """By how many ms ticks of 5 ms come late, 99 of 100 and at most, while 32 texts are made."""
    async with serving(bench.model(D128), children=CHILDREN) as served:
        await served.generate(MOST, bench.scale.few_tokens)
        rounds: list[list[float]] = []
        idle: list[list[float]] = []
        for _ in range(bench.scale.rounds):
            idle.append(await served.idle_lags(bench.scale.tokens))
            rounds.append(await served.lags(MOST, 4 * bench.scale.tokens))
    details = {
        "ticks": [len(lags) for lags in rounds],
        "p50, ms": [sorted(lags)[len(lags) // 2] for lags in rounds],
        "p99 of a loop that has nothing to do, ms": [_p99(lags) for lags in idle],
        "most of a loop that has nothing to do, ms": [max(lags) for lags in idle],
        "lags": [round(lag, 3) for lags in rounds for lag in lags],
    }
    return Measured([[_p99(lags) for lags in rounds], [max(lags) for lags in rounds]], details)


async def measure_first_token(bench: Workbench) -> Measured:
    """After how many ms a new text has its first token while 31 others are made, 95 of 100."""
    p95s: list[float] = []
    medians: list[float] = []
    async with serving(bench.model(D128), children=CHILDREN) as served:
        for _ in range(bench.scale.rounds):
            waits = await served.first_tokens(
                MOST - 1, 4 * bench.scale.tokens, bench.scale.first_tokens
            )
            waits.sort()
            p95s.append(waits[int(0.95 * (len(waits) - 1))])
            medians.append(waits[len(waits) // 2])
    return Measured([p95s], {"p50, ms": medians})


async def measure_memory(bench: Workbench) -> Measured:
    """MiB of the parent and two children, and by how many more after so many generations."""
    async with serving(bench.model(SONNET), children=CHILDREN) as served:
        for number in range(WARM_UP):
            await served.generate(MOST, bench.scale.few_tokens, seed=number)
        before = served.memory_mib()
        for number in range(0, bench.scale.generations, MOST):
            await served.generate(MOST, bench.scale.few_tokens, seed=number)
        after = served.memory_mib()
    return Measured([[after], [round(after - before)]], {"before, MiB": before})


def _p99(lags: list[float]) -> float:
    return sorted(lags)[int(0.99 * (len(lags) - 1))]
