"""The page, the samples and the drawings that a run leaves in docs/."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, Final

from hive_bench.figures import Spread, short
from inference_bench.plots import columns, curves
from inference_bench.shapes import GPT2, MINILM

__all__ = ["write_page"]

PAGE: Final = Path(__file__).with_name("page.md")
BINS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
NOT_LISTED: Final = ("lags", "over concurrency")
"""What drawings show."""


def write_page(folder: Path, rows: Mapping[str, Any]) -> None:
    """Write what was measured, by row, into `folder`."""
    drawings = {
        "inference-concurrency.svg": _concurrency(rows.get("concurrency", {})),
        "inference-lag.svg": _lag(rows.get("lag", {})),
        "inference-roofline.svg": _roofline(rows),
    }
    for name, drawn in drawings.items():
        if drawn is not None:
            (folder / name).write_text(drawn, encoding="utf-8")
    machines = {_listed(row["machine"]) for row in rows.values()}
    text = Template(PAGE.read_text(encoding="utf-8")).substitute(
        machine="; ".join(sorted(machines)),
        rows="\n".join(_line(row) for row in rows.values()),
        conditions="\n".join(_conditions(row) for row in rows.values()),
        details="\n\n".join(_details(row) for row in rows.values() if row["details"]),
    )
    (folder / "inference.md").write_text(text, encoding="utf-8")
    samples = json.dumps(rows, indent=None, separators=(",", ":")).replace('},"', '},\n"')
    (folder / "inference.json").write_text(samples + "\n", encoding="utf-8")


def _line(row: Mapping[str, Any]) -> str:
    figures = "; ".join(str(Spread.of(samples)) for samples in row["samples"])
    sign = "≤" if row["is_less_better"] else "≥"
    reach = " · ".join(f"{sign} {reach:g}" for reach in row["reach"])
    figures = figures or row["why_missing"]
    return f"| `{row['name']}` | {row['says']} | {figures} | {reach} | {row['state']} |"


def _conditions(row: Mapping[str, Any]) -> str:
    return f"- `{row['name']}`: {row['at']}, niceness {row['nice']}; before it {row['load']}"


def _details(row: Mapping[str, Any]) -> str:
    listed = [
        f"- {name}: {_shown(value)}"
        for name, value in row["details"].items()
        if name not in NOT_LISTED
    ]
    return "\n".join([f"**{row['name']}**: {row['says']}", "", *listed])


def _shown(value: float | Sequence[float]) -> str:
    values = [value] if isinstance(value, int | float) else value
    return " · ".join(map(short, values))


def _concurrency(row: Mapping[str, Any]) -> str | None:
    found = row.get("details", {}).get("over concurrency")
    if not found:
        return None
    names = {"children": "two children", "threads": "an engine, a thread each"}
    series = {
        names[kind]: [(float(count), rate) for count, rate in rates.items()]
        for kind, rates in found.items()
    }
    return curves("d128: tokens/s over concurrency", "texts at once", "tokens/s", series)


def _lag(row: Mapping[str, Any]) -> str | None:
    lags: list[float] = row.get("details", {}).get("lags", [])
    if not lags:
        return None
    counts: dict[str, int] = {}
    below = 0.0
    for bound in BINS:
        counts[f"≤ {bound:g}"] = sum(below < lag <= bound for lag in lags)
        below = bound
    counts[f"≤ {BINS[0]:g}"] += sum(lag <= 0 for lag in lags)
    counts["more"] = sum(lag > BINS[-1] for lag in lags)
    return columns("How late ticks of 5 ms come", "ms", "ticks", counts)


def _roofline(rows: Mapping[str, Any]) -> str | None:
    encoding = rows.get("roofline", {}).get("details", {})
    decoding = rows.get("bandwidth", {}).get("details", {})
    if not encoding or not decoding:
        return None
    median = statistics.median
    peak = median(encoding["GFLOP/s, sgemm, 1 processor(s)"])
    bandwidth = median(decoding["GB/s read"])
    # A weight of four bytes is multiplied and added once for each row that it meets.
    knee = peak / bandwidth
    rows_of_a_pass = 512
    series = {
        "the limits": [(0.25, 0.25 * bandwidth), (knee, peak), (512.0, peak)],
        f"{GPT2.name}, one text": [(0.5, median(decoding["GB/s of weights"]) * 0.5)],
        f"{MINILM.name}, {rows_of_a_pass} tokens": [
            (rows_of_a_pass * 0.5, median(encoding["GFLOP/s, MiniLM, 1 processor(s)"]))
        ],
    }
    return curves(
        "One processor: the roofline", "operations per byte of weights", "GFLOP/s", series
    )


def _listed(items: Mapping[str, str]) -> str:
    return ", ".join(value if key in {"processors", "memory", "system"} else f"{key} {value}"
                     for key, value in items.items())  # fmt: skip
