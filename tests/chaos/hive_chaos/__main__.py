"""Break a Hive for a while, and say what it kept.

    make chaos [SECONDS=1200] [SEED=1] [TASKS=100000]

A seed decides what is submitted, which fault strikes when, for how long, and whom. With TASKS load
and faults go on until so many are submitted, also if that takes longer than SECONDS. The last line
is `lost L twice T overlaps K order O left P leaked G`; the exit code is 1 if any of them is not 0.
A run of two minutes or more is added to docs/reliability.md.
"""

import argparse
import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import uvloop

from hive_chaos.faults import FAULTS
from hive_chaos.load import SORTS
from hive_chaos.plants import PLANTS, environment_of
from hive_chaos.report import add_to_page
from hive_chaos.run import Orders, run
from hive_chaos.table import shown
from hive_testkit.plugin import temporary_directory

DOCS: Final = Path(__file__).parents[3] / "docs"
PER_SECOND: Final = 150
MOST_TASKS: Final = 100_000
LONG_SECONDS: Final = 120.0
LONGEST_SECONDS: Final = 3600.0


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        prog="make chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=1200.0, help="how long load and faults last"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--tasks",
        type=int,
        help=f"submit so many, however long it takes, an hour at most; without this {PER_SECOND}\n"
        f"a second, {MOST_TASKS} at most, and fewer if they do not get done as fast",
    )
    parser.add_argument("--patience", type=float, default=120.0, help="seconds without progress")
    parser.add_argument("--faults", help=f"only these, with commas between; of {', '.join(FAULTS)}")
    parser.add_argument("--sorts", help=f"only such tasks, with commas; of {', '.join(SORTS)}")
    parser.add_argument(
        "--plant", help=f"break Hive's own code on purpose, with commas; of {', '.join(PLANTS)}"
    )
    parser.add_argument("--out", type=Path, help="write the page here, however short the run is")
    parser.add_argument("--keep", type=Path, help="an empty directory for logs and witnesses")
    chosen = parser.parse_args()
    faults: list[str] = chosen.faults.split(",") if chosen.faults else list(FAULTS)
    sorts: list[str] = chosen.sorts.split(",") if chosen.sorts else list(SORTS)
    plants: list[str] = chosen.plant.split(",") if chosen.plant else []
    asked = ((faults, FAULTS), (sorts, SORTS), (plants, PLANTS))
    for name, known in ((n, k) for some, k in asked for n in some):
        if name not in known:
            parser.error(f"there is no {name!r}; there are {', '.join(known)}")
    if chosen.seconds <= 0:
        parser.error(f"a run lasts more than 0 seconds, not {chosen.seconds:g}")
    orders = Orders(
        seed=chosen.seed,
        seconds=chosen.seconds,
        tasks=chosen.tasks or min(MOST_TASKS, int(chosen.seconds * PER_SECOND)),
        all_within_seconds=None if chosen.tasks is None else max(chosen.seconds, LONGEST_SECONDS),
        faults=faults,
        sorts=sorts,
        patience_seconds=chosen.patience,
        extra=environment_of(plants) if plants else {},
    )
    is_whole = orders.seconds >= LONG_SECONDS and not (
        chosen.faults or chosen.sorts or chosen.plant
    )
    out: Path | None = chosen.out or (DOCS if is_whole else None)
    sys.exit(uvloop.run(_main(orders, out=out, keep=chosen.keep)))


async def _main(orders: Orders, *, out: Path | None, keep: Path | None) -> int:
    with temporary_directory() if keep is None else nullcontext(keep) as folder:
        result = await run(orders, folder)
    if not result.is_kept:
        for name, text in result.logs.items():
            print(f"--- {name}\n{text}", file=sys.stderr)
    if out is not None:
        add_to_page(out, result)
    print(shown(result), flush=True)
    return 0 if result.is_kept else 1


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("stopped; everything that was started has ended")
