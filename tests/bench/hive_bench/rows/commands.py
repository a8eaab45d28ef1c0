"""Tasks that are processes: how many a second, and how many at once.

Both are taken from the rows: from the first start to the last end, by the database's clock.
"""

from typing import Final

from hive_bench.bench import Bench
from hive_bench.candidates import hive_processes
from hive_bench.plain_spawn import PlainLoop
from hive_bench.rows.row import Measured, Row
from hive_bench.running_commands import run_commands
from hive_bench.work import WORK, prepared

__all__ = ["COMMANDS"]

IN_FLIGHT: Final = 8
AT_ONCE: Final = 5
WAITING: Final = ("sleep", "0.25")


async def _spawn(bench: Bench) -> Measured:
    plain: list[float] = []
    ours: list[float] = []
    processes = hive_processes(1, "--async", "--slots", str(IN_FLIGHT))
    for number in range(bench.scale.rounds):
        plain.append(PlainLoop().run(bench.scale.spawned, IN_FLIGHT))
        run = await run_commands(bench, [["/bin/true"]] * bench.scale.spawned, processes)
        ours.append(run.rate)
        bench.note(f"spawn, round {number + 1}: {ours[-1]:,.0f} of {plain[-1]:,.0f} processes/s")
    ratios = [hive / bare for hive, bare in zip(ours, plain, strict=True)]
    return Measured([ratios], {"hive": ours, "plain loop": plain})


async def _async(bench: Bench) -> Measured:
    one = bench.scale.waited
    rates: dict[str, list[float]] = {"sync": [], "async": []}
    several = hive_processes(1, "--async", "--slots", str(AT_ONCE))
    alone = hive_processes(1, "--sync")
    for _ in range(bench.scale.few_rounds):
        rates["sync"].append((await run_commands(bench, [WAITING] * one, alone)).rate)
        many = [WAITING] * (one * AT_ONCE)
        rates["async"].append((await run_commands(bench, many, several)).rate)
    ratios = [more / less for more, less in zip(rates["async"], rates["sync"], strict=True)]
    figures = {f"{name} a second": found for name, found in rates.items()}
    return Measured([ratios], {**figures, **await _curves(bench)})


async def _curves(bench: Bench) -> dict[str, dict[str, float]]:
    """Return for each kind of work how fast either worker does it, at each cap."""
    found: dict[str, dict[str, float]] = {}
    alone = hive_processes(1, "--sync")
    with prepared(bench.ground.folder) as place:
        for work in WORK:
            count = bench.scale.worked
            sync = await run_commands(bench, work.commands(place, 2 * count), alone)
            rates, ratios = {"sync": sync.rate}, dict[str, float]()
            memory = {"sync": sync.worker_mib}
            for cap in bench.scale.caps:
                processes = hive_processes(1, "--async", "--slots", str(cap))
                commands = work.commands(place, count * max(cap, 2))
                run = await run_commands(bench, commands, processes)
                name = f"at {cap}"
                rates[name], memory[name] = run.rate, run.worker_mib
                ratios[name] = run.rate / sync.rate
                bench.note(f"async, {work.name}, {name}: {ratios[name]:.2f} times sync")
            found[f"{work.says}: async / sync"] = ratios
            found[f"{work.says}: tasks a second"] = rates
            found[f"{work.says}: MiB of the worker and its guardian"] = memory
    return found


COMMANDS: Final = (
    Row(
        name="spawn",
        says="/bin/true a second as tasks / from one Python process with captured output",
        reach=(0.8,),
        measure=_spawn,
    ),
    Row(
        name="async",
        says="processes that only wait, five at a time: async worker / sync worker;"
        " by cap, for three kinds of work",
        reach=(4.5,),
        measure=_async,
    ),
)
