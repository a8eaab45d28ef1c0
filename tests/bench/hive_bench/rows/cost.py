"""What a task costs in processor time, and what the processes keep in memory."""

from typing import Final

from hive_bench.bench import Bench
from hive_bench.draining import Drain
from hive_bench.environments import MissingError
from hive_bench.rows.row import Measured, Row

__all__ = ["COST"]


async def _cpu(bench: Bench) -> Measured:
    by_role = [dict(drain.cpu_microseconds) for drain in await _drains(bench)]
    return Measured([[sum(roles.values()) for roles in by_role]], {"by process": by_role})


async def _memory(bench: Bench) -> Measured:
    sizes = [drain.resident_mib for drain in await _drains(bench)]
    figures = [[size[role] for size in sizes] for role in ("queen", "worker")]
    return Measured(figures, {"resident MiB": [dict(size) for size in sizes]})


async def _drains(bench: Bench) -> list[Drain]:
    contest = await bench.contest()
    if "hive" in contest.why_missing:
        raise MissingError(contest.why_missing["hive"])
    return contest.drains["hive"]


COST: Final = (
    Row(
        name="cpu",
        says="CPU microseconds per task, of queen, worker, Redis and Postgres together",
        reach=(40,),
        measure=_cpu,
        is_less_better=True,
        entrants=("hive",),
    ),
    Row(
        name="memory",
        says="resident MiB of the queen; of the worker, its guardian (`below worker`) apart: after"
        " a drain of 100,000 tasks at least",
        reach=(60, 60),
        measure=_memory,
        is_less_better=True,
        entrants=("hive",),
    ),
)
