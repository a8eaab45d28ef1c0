"""Tasks that are processes: how many a second, and how many at once.

Both are taken from the rows: from the first start to the last end, by the database's clock.
"""

from collections.abc import Sequence
from typing import Any, Final

from hive_bench.bench import Bench
from hive_bench.candidates import Processes, hive_processes
from hive_bench.crew import Crew, FailedError
from hive_bench.plain_spawn import PlainLoop
from hive_bench.rows.row import Measured, Row
from hive_client import Hive
from hive_contracts.tasks import NewTask

__all__ = ["COMMANDS"]

IN_FLIGHT: Final = 8
AT_ONCE: Final = 5
WAITING: Final = ("sleep", "0.25")
LONGEST_SECONDS: Final = 90.0
LOOK_SECONDS: Final = 0.05

RATE: Final = """
select count(*) / extract(epoch from max(finished_at) - min(started_at))::double precision
from hive.task where state = 'succeeded'
"""


async def _spawn(bench: Bench) -> Measured:
    plain: list[float] = []
    ours: list[float] = []
    processes = hive_processes(1, "--async", "--slots", str(IN_FLIGHT))
    for number in range(bench.scale.rounds):
        plain.append(PlainLoop().run(bench.scale.spawned, IN_FLIGHT))
        ours.append(await _rate(bench, ["/bin/true"], bench.scale.spawned, processes))
        bench.note(f"spawn, round {number + 1}: {ours[-1]:,.0f} of {plain[-1]:,.0f} processes/s")
    ratios = [hive / bare for hive, bare in zip(ours, plain, strict=True)]
    return Measured([ratios], {"hive": ours, "plain loop": plain})


async def _async(bench: Bench) -> Measured:
    one = bench.scale.waited
    rates: dict[str, list[float]] = {"sync": [], "async": []}
    several = hive_processes(1, "--async", "--slots", str(AT_ONCE))
    alone = hive_processes(1, "--sync")
    for _ in range(bench.scale.few_rounds):
        rates["sync"].append(await _rate(bench, WAITING, one, alone))
        rates["async"].append(await _rate(bench, WAITING, one * AT_ONCE, several))
    ratios = [more / less for more, less in zip(rates["async"], rates["sync"], strict=True)]
    return Measured([ratios], {f"{name} a second": found for name, found in rates.items()})


async def _rate(bench: Bench, argv: Sequence[str], count: int, processes: Processes) -> float:
    """Run a command so often; return how many a second."""
    async with bench.crew("hive") as crew:
        await _submit(crew, argv, count)
        with crew.at_work(processes=processes):
            await crew.until_finished(within_seconds=LONGEST_SECONDS, look_seconds=LOOK_SECONDS)
        async with bench.ground.connected(crew.database) as connection:
            succeeded: Any = await connection.fetchval(
                "select count(*) from hive.task where state = 'succeeded'"
            )
            if succeeded != count:
                raise FailedError(f"{succeeded} of {count} commands succeeded")
            return float(await connection.fetchval(RATE))


async def _submit(crew: Crew, argv: Sequence[str], count: int) -> None:
    url = crew.ground.url_of(crew.database)
    async with Hive.connect(url, crew.ground.redis_url) as hive:
        await hive.submit_many([NewTask(kind="command", payload={"argv": list(argv)})] * count)


COMMANDS: Final = (
    Row(
        name="spawn",
        says="/bin/true a second as tasks / from one Python process with captured output",
        reach=(0.8,),
        measure=_spawn,
    ),
    Row(
        name="async",
        says="processes that only wait, five at a time: async worker / sync worker",
        reach=(4.5,),
        measure=_async,
    ),
)
