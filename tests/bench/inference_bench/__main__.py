"""Measure the inference: every row, or those that are named.

    make bench-inference [ROWS="lag memory"]

Each row prints as its last line its name, its figure, what that has to reach, and `ok`, `short` or
`missing`. docs/inference.json keeps each row's last figures, and docs/inference.md is drawn from
it: rows that are not named stay as they were measured before.
"""

import argparse
import asyncio
import json
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hive_bench.environments import ROOT, Environments
from hive_bench.figures import Verdict
from hive_bench.machine import load
from inference_bench.machine import describe
from inference_bench.page import write_page
from inference_bench.rows.catalogue import ROWS
from inference_bench.rows.row import Row
from inference_bench.workbench import FULL, SMOKE, Workbench

DOCS: Final = Path(__file__).parents[3] / "docs"
SAMPLES: Final = "inference.json"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="make bench-inference", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--smoke", action="store_true", help="as small as can be, install nothing")
    parser.add_argument("--out", type=Path, help="write the page here instead of docs/")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    rows = [ROWS[name] for name in dict.fromkeys(chosen.rows)] or list(ROWS.values())
    out: Path | None = chosen.out or (None if chosen.smoke else DOCS)
    with ExitStack() as stack:
        # Models are made once; those of a try are thrown away.
        folder = ROOT / "models"
        if chosen.smoke:
            folder = Path(stack.enter_context(TemporaryDirectory()))
        bench = Workbench(
            folder,
            Environments(may_build=not chosen.smoke),
            SMOKE if chosen.smoke else FULL,
        )
        measured = asyncio.run(run(rows, bench))
    if out is not None:
        write_page(out, _merged(out / SAMPLES, measured))


async def run(rows: list[Row], bench: Workbench) -> dict[str, Any]:
    """Measure rows one after another; return what is kept of them, by name."""
    measured: dict[str, Any] = {}
    for row in rows:
        before, at = load(), datetime.now(UTC).isoformat(timespec="minutes")
        print(f"{row.name}: {row.says}; before it {before}", file=sys.stderr, flush=True)
        verdict = await row.run(bench)
        _tell(verdict)
        conditions = {"at": at, "load": before, "nice": os.nice(0), "machine": describe()}
        measured[row.name] = {**asdict(verdict), "state": verdict.state, **conditions}
    return measured


def _tell(verdict: Verdict) -> None:
    if verdict.why_missing:
        print(f"{verdict.name} is missing: {verdict.why_missing}", file=sys.stderr)
    elif len(verdict.samples[0]) > 1:
        print(f"{verdict.name}: least / median / most {'; '.join(map(str, verdict.spreads))}")
    print(verdict.line(), flush=True)


def _merged(path: Path, measured: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    both = known | measured
    return {name: both[name] for name in ROWS if name in both}


if __name__ == "__main__":
    main()
