"""The page, the samples and the drawings that a whole run leaves in docs/."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import Any, Final, cast

from hive_bench.bench import Contest
from hive_bench.candidates import CANDIDATES
from hive_bench.figures import Spread, Verdict, short
from hive_bench.svg import bars

__all__ = ["write_report"]

PAGE: Final = Path(__file__).with_name("page.md")
SQL: Final = "bare SQL"
HAVE_THEIR_OWN: Final = ("cpu", "profile")
"""Rows whose details are shown elsewhere, as the drains' are."""


def write_report(
    folder: Path,
    *,
    machine: Mapping[str, Any],
    load: str,
    verdicts: Sequence[Verdict],
    contests: Mapping[int, Contest],
    drain_seconds: float,
) -> None:
    """Write everything into `folder`."""
    one, two = contests.get(1, Contest()), contests.get(2, Contest())
    text = Template(PAGE.read_text(encoding="utf-8")).substitute(
        {name: machine[name] for name in ("at", "processors", "memory", "system")},
        versions=_listed(machine["versions"]),
        postgres_settings=_listed(machine["postgres settings"]),
        load=load,
        rows=_rows(verdicts),
        drain_seconds=f"{drain_seconds:g}",
        drains_1=_drains(one),
        drains_2=_drains(two),
        settings="\n".join(f"- **{c.name}**: {c.settings}" for c in CANDIDATES.values()),
        cpu=_cpu(one),
        details=_details(verdicts),
    )
    (folder / "performance.md").write_text(text, encoding="utf-8")
    _draw(folder, one)
    samples = {
        "machine": {**machine, "load": load},
        "rows": [{**asdict(verdict), "state": verdict.state} for verdict in verdicts],
        "drains": {workers: _plain(contest) for workers, contest in contests.items()},
    }
    (folder / "performance.json").write_text(json.dumps(samples, indent=1) + "\n")


def _plain(contest: Contest) -> dict[str, Any]:
    drains = {name: [asdict(d) for d in found] for name, found in contest.drains.items()}
    return {**drains, SQL: contest.by_sql, "missing": contest.why_missing}


def _draw(folder: Path, contest: Contest) -> None:
    rates = {name.capitalize(): Spread.of(contest.rates(name)) for name in contest.drains}
    if contest.by_sql:
        rates = {SQL: Spread.of(contest.by_sql), **rates}
    drains = bars("No-ops a second, one worker", rates)
    (folder / "performance-drains.svg").write_text(drains, encoding="utf-8")
    costs = {
        name.capitalize(): Spread.of([sum(d.cpu_microseconds.values()) for d in found])
        for name, found in contest.drains.items()
    }
    cpu = bars("Processor microseconds per task, all processes", costs)
    (folder / "performance-cpu.svg").write_text(cpu, encoding="utf-8")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _rows(verdicts: Iterable[Verdict]) -> str:
    def cells(verdict: Verdict) -> list[str]:
        figures = "; ".join(map(str, verdict.spreads)) or (verdict.why_missing or "-")
        sign = "≤" if verdict.is_less_better else "≥"
        reach = "/".join("-" if reach is None else f"{sign} {reach:g}" for reach in verdict.reach)
        return [f"`{verdict.name}`", verdict.says, figures, reach, verdict.state]

    return _table(["row", "what", "figure", "reach", ""], map(cells, verdicts))


def _drains(contest: Contest) -> str:
    rows = [
        [
            name,
            str(Spread.of(contest.rates(name))),
            str(Spread.of([d.submitted_per_second for d in found])),
            short(statistics.median(sum(d.cpu_microseconds.values()) for d in found)),
            short(statistics.median(sum(d.resident_mib.values()) for d in found)),
            CANDIDATES[name].marks,
        ]
        for name, found in contest.drains.items()
    ]
    if contest.by_sql:
        rows.insert(0, [SQL, str(Spread.of(contest.by_sql)), "", "", "", "runs nothing"])
    rows += [[name, "missing", "", "", "", why] for name, why in contest.why_missing.items()]
    return _table(["", "drained/s", "submitted/s", "CPU µs", "MiB", "marks"], rows)


def _cpu(contest: Contest) -> str:
    found = contest.drains.get("hive")
    if not found:
        return "Not measured."
    roles = list(found[0].cpu_microseconds)
    medians = [short(statistics.median(d.cpu_microseconds[role] for d in found)) for role in roles]
    return _table(roles, [medians])


def _details(verdicts: Iterable[Verdict]) -> str:
    """Return what rows measured that no drain's table shows."""
    parts: list[str] = []
    for verdict in verdicts:
        if verdict.name.startswith("drain-") or verdict.name in HAVE_THEIR_OWN:
            continue
        if not verdict.details:
            continue
        lines = [f"- {name}: {_shown(value)}" for name, value in verdict.details.items()]
        parts.append("\n".join([f"**{verdict.name}**: {verdict.says}", "", *lines]))
    return "\n\n".join(parts)


def _shown(value: Any) -> str:
    """Return samples as text: numbers short, mappings by name, rounds one after another."""
    if isinstance(value, (int, float)):
        return short(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value)
        return ", ".join(f"{name} {_shown(each)}" for name, each in items.items())
    if isinstance(value, (list, tuple)):
        parts = cast("Sequence[Any]", value)
        has_parts = any(not isinstance(part, (int, float)) for part in parts)
        return ("; " if has_parts else " · ").join(map(_shown, parts))
    return str(value)


def _listed(items: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in items.items())
