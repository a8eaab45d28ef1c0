"""Whether a drain stays as fast as it was: in a full table, and while a snapshot is held open."""

from typing import Final

from hive_bench.bench import Bench
from hive_bench.draining import Drain, drain
from hive_bench.ground import EMPTY
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


async def _flat(bench: Bench) -> Measured:
    count = await bench.size("hive")
    await _fill(bench)
    rates: dict[str, list[float]] = {EMPTY: [], FULL: []}
    for number in range(bench.scale.few_rounds):
        for database, found in rates.items():
            async with bench.crew("hive", like=database) as crew:
                found.append((await drain(crew, count)).tasks_per_second)
        bench.note(f"a full table, round {number + 1} of {bench.scale.few_rounds}")
    await bench.ground.drop_database(FULL)
    ratios = [full / empty for full, empty in zip(rates[FULL], rates[EMPTY], strict=True)]
    return Measured([ratios], {"full": rates[FULL], "empty": rates[EMPTY]})


async def _fill(bench: Bench) -> None:
    await bench.ground.fresh_database(FULL, like=EMPTY)
    async with bench.ground.connected(FULL) as connection:
        await connection.execute("set statement_timeout = 0")
        await connection.fetch(FILL, bench.scale.finished)
        await connection.execute("vacuum analyze hive.task")


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
)
