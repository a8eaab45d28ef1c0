"""Whether Hive stays as it was: in a full table, and while a snapshot is held open."""

import statistics
from typing import Final

from hive_bench.bench import Bench
from hive_bench.draining import Drain, drain
from hive_bench.ground import EMPTY
from hive_bench.rows.latency import latencies
from hive_bench.rows.row import Measured, Row

__all__ = ["STEADY"]

FULL: Final = "bench_full"

FILL: Final = """
insert into hive.task (kind, payload, state, claims, started_at, finished_at, ended_lease,
                       worker_id, outcome, result)
select 'call', '{"function": "peers.hive_handler:noop", "kwargs": {}}', 'succeeded', 1,
       now(), now(), gen_random_uuid(), gen_random_uuid(), 'succeeded', 'null'
from generate_series(1, $1::bigint)
"""


FILLED_AT_ONCE: Final = 500_000


async def _flat(bench: Bench) -> Measured:
    count = await bench.size("hive")
    await bench.ground.fresh_database(FULL, like=EMPTY)
    await _fill(bench, FULL, bench.scale.finished)
    rates: dict[str, list[float]] = {EMPTY: [], FULL: []}
    for number in range(bench.scale.few_rounds):
        for database, found in rates.items():
            async with bench.crew("hive", like=database) as crew:
                found.append((await drain(crew, count)).tasks_per_second)
        bench.note(f"a full table, round {number + 1} of {bench.scale.few_rounds}")
    await bench.ground.drop_database(FULL)
    ratios = [full / empty for full, empty in zip(rates[FULL], rates[EMPTY], strict=True)]
    return Measured([ratios], {"full": rates[FULL], "empty": rates[EMPTY]})


async def _fill(bench: Bench, database: str, count: int) -> None:
    async with bench.ground.connected(database) as connection:
        await connection.execute("set statement_timeout = 0")
        for begun in range(0, count, FILLED_AT_ONCE):
            await connection.fetch(FILL, min(count - begun, FILLED_AT_ONCE))
        await connection.execute("vacuum analyze hive.task")


async def _history(bench: Bench) -> Measured:
    """Submit and drain in one database, before and after ever so many finished tasks are in it."""
    milliseconds: dict[str, list[float]] = {}
    growth: dict[str, float] = {}
    async with bench.crew("hive") as crew:
        for name, finished in ("empty", 0), ("full", bench.scale.history):
            if finished:
                await _fill(bench, crew.database, finished)
                bench.note(f"{finished:,} finished tasks are in the table")
            await bench.ground.forget()
            milliseconds[name] = await latencies(crew, bench.scale.samples)
            before = await _size(bench, crew.database)
            await bench.ground.forget()
            await drain(crew, bench.scale.submitted)
            growth[name] = (await _size(bench, crew.database) - before) / bench.scale.submitted
    shares = [
        statistics.quantiles(milliseconds[name], n=100, method="inclusive")
        for name in ("full", "empty")
    ]
    ratios = [[full / empty] for full, empty in zip(*shares, strict=True)]
    samples = [ratios[49], ratios[98], [growth["full"] / growth["empty"]]]
    return Measured(
        samples, {"bytes a task": [growth["empty"], growth["full"]], "ms": milliseconds}
    )


async def _size(bench: Bench, database: str) -> int:
    async with bench.ground.connected(database) as connection:
        size: int = await connection.fetchval("select pg_total_relation_size('hive.task')")
        return size


async def _snapshot(bench: Bench) -> Measured:
    drains: list[Drain] = []
    for number in range(bench.scale.few_rounds):
        async with (
            bench.crew("hive") as crew,
            bench.ground.connected(crew.database) as connection,
        ):
            # The servers end idle transactions after a minute: that is what this one must outlast.
            await connection.execute("set idle_in_transaction_session_timeout = 0")
            async with connection.transaction(isolation="repeatable_read"):
                await connection.fetchval("select count(*) from hive.lease")
                drains.append(await drain(crew, bench.scale.held))
        bench.note(f"a held snapshot, round {number + 1} of {bench.scale.few_rounds}")
    ratios = [found.quarters[-1] / found.quarters[0] for found in drains]
    return Measured([ratios], {"tasks a second by quarter": [found.quarters for found in drains]})


STEADY: Final = (
    Row(
        name="flat",
        says="drain rate with 1,000,000 finished tasks in the table / with none",
        reach=(0.9,),
        measure=_flat,
        entrants=("hive",),
    ),
    Row(
        name="snapshot",
        says="last quarter / first quarter of a drain of 200,000 under an idle snapshot",
        reach=(0.9,),
        measure=_snapshot,
    ),
    Row(
        name="history",
        says="with 10,000,000 finished tasks in the table / with none: idle latency, p50 and p99,"
        " and bytes that the table grows by for each task",
        reach=(1.1, 1.2, 1.1),
        measure=_history,
        is_less_better=True,
        is_asked_for=True,
    ),
)
