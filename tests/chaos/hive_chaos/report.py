"""docs/reliability.md: every long run is a row of it, and its tables are over all of them.

What the page is made of is kept beside it, in reliability.json. A run that found a fault of Hive is
given `mended` there, by hand, when that is mended and has a test of its own: it stays among the
runs, with its verdict, and no longer counts against the promises.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, Final

import psutil

from hive_chaos.run import Orders, Result, Struck
from hive_chaos.table import exits_table, faults_table, last_line, pauses, promises_table

__all__ = ["add_to_page"]

PAGE: Final = Path(__file__).with_name("page.md")
EXAMPLES: Final = 3
MOST_RUNS: Final = 40


def add_to_page(folder: Path, result: Result) -> None:
    """Add a run to the page in `folder`, which is made if it is missing."""
    kept = folder / "reliability.json"
    runs: list[dict[str, Any]] = json.loads(kept.read_text())["runs"] if kept.exists() else []
    this = {"at": _now(), "machine": _machine(), "load": _load(), "result": _plain(result)}
    runs = [*runs, this][-MOST_RUNS:]
    lines = ",\n".join(map(json.dumps, runs))
    kept.write_text(f'{{"runs": [\n{lines}\n]}}\n', encoding="utf-8")
    (folder / "reliability.md").write_text(page(runs), encoding="utf-8")


def page(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of some runs."""
    results = [_result(each["result"]) for each in runs]
    whole = [r for each, r in zip(runs, results, strict=True) if "mended" not in each]
    middle, most = pauses(each for result in results for each in result.struck)
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        runs=_table(_runs_table(runs, results)),
        promises=_table(promises_table(whole)),
        faults=_table(faults_table(results)),
        exits=_table(exits_table(results)),
        tasks=f"{sum(map(_held, results)):,}",
        struck=f"{sum(len(result.struck) for result in results):,}",
        minutes=f"{sum(map(_lasted_seconds, results)) / 60:.0f}",
        re_executions=f"{sum(result.re_executions for result in results):,}",
        stale=f"{sum(result.stale_writes for result in results):,}",
        in_loops=f"{sum(result.overlaps_in_loops for result in results):,}",
        middle=middle,
        most=most,
    )


def _runs_table(runs: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> list[list[str]]:
    heads = ["when", "machine", "load", "seed", "seconds", "tasks", "faults", "re-executions"]
    rows = [[*heads, "stale writes", "pause p50, max s", "verdict"]]
    for each, result in zip(runs, results, strict=True):
        rows.append(
            [
                each["at"],
                each["machine"],
                each["load"],
                str(result.orders.seed),
                f"{_lasted_seconds(result):.0f}",
                f"{_held(result):,}",
                str(len(result.struck)),
                str(result.re_executions),
                str(result.stale_writes),
                ", ".join(pauses(result.struck)),
                last_line(result) + (f"; {each['mended']}" if "mended" in each else ""),
            ]
        )
    return rows


def _held(result: Result) -> int:
    """Return how many tasks Hive had: of those whose submit was not acknowledged, few."""
    return sum(result.states.values())


def _lasted_seconds(result: Result) -> float:
    """Return how long the load lasted; what was kept of the first runs tells how long it was to."""
    return result.lasted_seconds or result.orders.seconds


def _plain(result: Result) -> dict[str, Any]:
    """Return what is kept of a run; of what was broken, how often, and some examples."""
    short = {name: len(found) for name, found in result.violations.items()}
    examples = {name: found[:EXAMPLES] for name, found in result.violations.items() if found}
    kept = replace(
        result, logs={}, violations={}, struck=[], orders=replace(result.orders, extra={})
    )
    return {
        **asdict(kept),
        "broken": short,
        "examples": examples,
        "pauses": [[each.fault, _rounded(each.pause_seconds)] for each in result.struck],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _result(plain: Mapping[str, Any]) -> Result:
    values: dict[str, Any] = {**plain}
    del values["broken"], values["examples"], values["pauses"]
    values["orders"] = Orders(**plain["orders"])
    values["struck"] = [
        Struck(fault=fault, at=0.0, lifted_at=0.0, pause_seconds=seconds)
        for fault, seconds in plain["pauses"]
    ]
    values["violations"] = {name: [""] * count for name, count in plain["broken"].items()}
    return Result(**values)


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="minutes")


def _load() -> str:
    return f"{os.getloadavg()[2]:.1f}"


def _machine() -> str:
    gibibytes = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} processors, {gibibytes:.0f} GiB, Linux {platform.release()}"
