"""Run the benchmark: every row, or those that are named.

    make bench [ROWS="drain-arq cpu"]

Each row prints as its last line its name, its figure, what that has to reach, and `ok`, `short` or
`missing`. A run of all rows writes docs/performance.md and what belongs to it.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

import uvloop

from hive_bench.bench import Bench
from hive_bench.environments import Environments
from hive_bench.figures import Verdict
from hive_bench.ground import Ground
from hive_bench.machine import describe, load
from hive_bench.profile_page import write_profile
from hive_bench.report import write_report
from hive_bench.rows.catalogue import ROWS
from hive_bench.rows.row import Row
from hive_bench.scale import FULL, SMOKE, Scale

DOCS: Final = Path(__file__).parents[3] / "docs"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--smoke", action="store_true", help="as small as can be, install nothing")
    parser.add_argument("--out", type=Path, help="write the page here, whichever rows are run")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    by_default = [row for row in ROWS.values() if not row.is_asked_for]
    rows = [ROWS[name] for name in dict.fromkeys(chosen.rows)] or by_default
    out: Path | None = chosen.out or (None if chosen.rows or chosen.smoke else DOCS)
    scale = SMOKE if chosen.smoke else FULL
    try:
        uvloop.run(run(rows, scale, may_build=not chosen.smoke, out=out))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("stopped; everything that was started has ended, and no page was written")


async def run(rows: list[Row], scale: Scale, *, may_build: bool, out: Path | None) -> None:
    """Measure rows one after another; write the page if it is wanted."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    before = load()
    say(f"before it begins, the machine has {before}")
    async with Ground.open(in_memory=scale.in_memory) as ground:
        bench = Bench(
            ground,
            Environments(may_build=may_build),
            scale,
            entrants={name for row in rows for name in row.entrants},
            with_sql=any(row.needs_sql for row in rows),
            with_two=any(row.needs_two for row in rows),
        )
        machine = await describe(ground)
        verdicts = [await _measure(row, bench) for row in rows]
    for verdict in verdicts:
        if verdict.name == "profile" and "own time" in verdict.details:
            shares = verdict.details["own time"]
            write_profile(out or DOCS, shares, at=machine["at"], load=before)
    if out is not None:
        write_report(
            out,
            machine=machine,
            load=before,
            verdicts=verdicts,
            contests=bench.contests,
            drain_seconds=scale.drain_seconds,
        )
        say(f"written to {out / 'performance.md'}")


async def _measure(row: Row, bench: Bench) -> Verdict:
    say(f"{row.name}: {row.says}")
    verdict = await row.run(bench)
    if verdict.why_missing:
        say(f"{row.name} is missing: {verdict.why_missing}")
    elif len(verdict.samples[0]) > 1:
        spreads = "; ".join(map(str, verdict.spreads))
        print(f"{row.name}: least / median / most {spreads}")
    print(verdict.line(), flush=True)
    return verdict


def say(text: str) -> None:
    """Tell whoever waits what is going on."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
