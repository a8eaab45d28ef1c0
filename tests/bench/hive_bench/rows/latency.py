"""How long a task waits where nothing else does: from its submit to its handler's first line."""

import statistics
from typing import Final

from hive_bench.bench import Bench
from hive_bench.crew import Crew, FailedError
from hive_bench.rows.row import Measured, Row

__all__ = ["LATENCY", "latencies"]

PEER: Final = "pgqueuer"
SETTLING: Final = 20
"""Submits before those that count: connections are opened, and everything becomes idle."""


async def _latency(bench: Bench) -> Measured:
    bench.environments.python(PEER)
    found: dict[str, list[dict[str, float]]] = {"hive": [], PEER: []}
    for number in range(bench.scale.few_rounds):
        for name, rounds in found.items():
            rounds.append(await _one_round(bench, name))
            bench.note(f"latency, round {number + 1}, {name}: {rounds[-1]['p50']:.2f} ms")
    ratios = [
        [ours[share] / other[share] for ours, other in zip(found["hive"], found[PEER], strict=True)]
        for share in ("p50", "p99")
    ]
    return Measured(ratios, {"milliseconds": found})


async def latencies(crew: Crew, samples: int) -> list[float]:
    """Return how many milliseconds each of so many tasks waited for its handler's first line."""
    with crew.at_work():
        count = SETTLING + samples
        await crew.submit_numbered(count)
        times = [crew.ground.probe.milliseconds(number) for number in range(SETTLING, count)]
    if min(times) <= 0:
        name = crew.candidate.name
        raise FailedError(f"{name} began a task before it was submitted: the clocks differ")
    return times


async def _one_round(bench: Bench, name: str) -> dict[str, float]:
    async with bench.crew(name) as crew:
        times = await latencies(crew, bench.scale.samples)
    hundredths = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": hundredths[49], "p95": hundredths[94], "p99": hundredths[98]}


LATENCY: Final = (
    Row(
        name="latency",
        says="idle latency from submit to handler / PgQueuer's, p50 and p99",
        reach=(0.9, 0.9),
        measure=_latency,
        is_less_better=True,
    ),
)
