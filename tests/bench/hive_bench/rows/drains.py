"""How fast no-ops are drained: Hive beside bare SQL and beside each peer, one worker each."""

from collections.abc import Awaitable, Callable
from typing import Final

from hive_bench.bench import Bench, Contest
from hive_bench.environments import MissingError
from hive_bench.rows.row import Measured, Row

__all__ = ["DRAINS"]

REACHES: Final = {
    "graphile": 1.6,
    "pgqueuer": 2.2,
    "arq": 18.0,
    "procrastinate": 55.0,
    "taskiq": None,
}


async def _beside_sql(bench: Bench) -> Measured:
    contest = await bench.contest()
    hive = _rates(contest, "hive")
    ratios = [ours / limit for ours, limit in zip(hive, contest.by_sql, strict=True)]
    return Measured([ratios], {"hive": hive, "bare SQL": contest.by_sql})


def _beside(peer: str) -> Callable[[Bench], Awaitable[Measured]]:
    async def measure(bench: Bench) -> Measured:
        contest = await bench.contest()
        hive, theirs = _rates(contest, "hive"), _rates(contest, peer)
        ratios = [ours / other for ours, other in zip(hive, theirs, strict=True)]
        return Measured([ratios], {"hive": hive, peer: theirs})

    return measure


async def _with_two_workers(bench: Bench) -> Measured:
    one, two = _rates(await bench.contest(), "hive"), _rates(await bench.contest(2), "hive")
    ratios = [more / less for more, less in zip(two, one, strict=False)]
    return Measured([ratios], {"one worker": one, "two workers": two})


def _rates(contest: Contest, name: str) -> list[float]:
    if name in contest.why_missing:
        raise MissingError(contest.why_missing[name])
    return contest.rates(name)


DRAINS: Final = (
    Row(
        name="drain-sql",
        says="Hive's drain rate / bare SQL's on the same table",
        reach=(0.65,),
        measure=_beside_sql,
        entrants=("hive",),
        needs_sql=True,
    ),
    *(
        Row(
            name=f"drain-{peer}",
            says=f"Hive's drain rate / {peer}'s",
            reach=(reach,),
            measure=_beside(peer),
            entrants=("hive", peer),
        )
        for peer, reach in REACHES.items()
    ),
    Row(
        name="two-workers",
        says="Hive's drain rate with two workers / with one",
        reach=(None,),
        measure=_with_two_workers,
        entrants=("hive",),
        needs_two=True,
    ),
)
