"""What a run came to, as a person reads it."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from hive_chaos.faults import FAULTS
from hive_chaos.promises import PROMISES
from hive_chaos.run import Result, Struck

__all__ = ["exits_table", "faults_table", "last_line", "pauses", "promises_table", "shown"]

EXAMPLES: Final = 5


def promises_table(results: Sequence[Result]) -> list[list[str]]:
    """Return each promise with how often it was broken, over all the runs."""
    rows = [["promise", "what it says", "held against", "broken"]]
    for promise in PROMISES:
        weight = sum(result.weights.get(promise.name, 0) for result in results)
        broken = sum(len(result.violations.get(promise.name, [])) for result in results)
        verdict = str(broken) if weight or broken else "not exercised"
        rows.append([promise.name, promise.says, f"{weight:,}", verdict])
    left = sum(result.left for result in results)
    says = "No process outlives its attempt, or its worker"
    rows.append(["processes", says, f"{len(results)} sweeps", str(left)])
    leaked = sum(sum(result.leaks.values()) for result in results)
    says = "When all is quiet, no lease, permit, slot or transaction is held, and all answer"
    rows.append(["leaks", says, f"{len(results)} looks", str(leaked)])
    return rows


def faults_table(results: Sequence[Result]) -> list[list[str]]:
    """Return each fault with how often it struck, and the longest pauses that it made."""
    struck = [each for result in results for each in result.struck]
    counts = Counter(each.fault for each in struck)
    reasons = {name: why for result in results for name, why in result.not_exercised.items()}
    rows = [["fault", "what it does", "struck", "pause p50 s", "max s"]]
    for name, fault in FAULTS.items():
        if counts[name]:
            middle, most = pauses(each for each in struck if each.fault == name)
            rows.append([name, fault.says, str(counts[name]), middle, most])
        elif name in reasons:
            rows.append([name, fault.says, f"not exercised: {reasons[name]}", "-", "-"])
    return rows


def pauses(struck: Iterable[Struck]) -> tuple[str, str]:
    """Return the median and the most of the pauses that faults made, in seconds."""
    times = [s.pause_seconds for s in struck if s.pause_seconds is not None]
    if not times:
        return "-", "-"
    return f"{statistics.median(times):.2f}", f"{max(times):.2f}"


def totals(result: Result) -> list[list[str]]:
    """Return what was done, as names and figures."""
    middle, most = pauses(result.struck)
    states = ", ".join(f"{count} {state}" for state, count in sorted(result.states.items()))
    held = (
        ", ".join(f"{what} {count}" for what, count in result.leaks.items() if count) or "nothing"
    )
    return [
        ["what", "figure"],
        ["seed, seconds of load", f"{result.orders.seed}, {result.lasted_seconds:.0f}"],
        ["tasks submitted", f"{result.asked} ({result.unacknowledged} unacknowledged)"],
        ["tasks by state", states],
        ["runs", str(result.runs)],
        ["re-executions", str(result.re_executions)],
        ["stale writes refused", str(result.stale_writes)],
        ["leases lapsed", str(result.lost_leases)],
        ["overlaps in workers' loops", str(result.overlaps_in_loops)],
        ["faults", f"{len(result.struck)} ({sum(result.missed.values())} met nobody)"],
        ["starts of Hive's processes by the driver", str(result.starts)],
        ["longest pause by fault p50, max", f"{middle} s, {most} s"],
        ["held when quiet", held],
    ]


def exits_table(results: Sequence[Result]) -> list[list[str]]:
    """Return how processes that the driver starts have ended, but for the ends of runs."""
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result.exits)
    return [["how they ended", "times"], *([how, str(n)] for how, n in sorted(counts.items()))]


def last_line(result: Result) -> str:
    """Return the counts that must be 0, in one line."""
    counts = dict.fromkeys("LTKO", 0)
    for promise in PROMISES:
        counts[promise.letter] += len(result.violations.get(promise.name, []))
    return (
        f"lost {counts['L']} twice {counts['T']} overlaps {counts['K']} order {counts['O']}"
        f" left {result.left} leaked {sum(result.leaks.values())}"
    )


def shown(result: Result) -> str:
    """Return everything that is printed of a run; the last line is `last_line`."""
    tables = (faults_table([result]), totals(result), exits_table([result]))
    parts = [_aligned(table) for table in tables]
    parts.append(_aligned(promises_table([result])))
    parts += [
        f"{name}: {sentence}"
        for name, sentences in result.violations.items()
        for sentence in sentences[:EXAMPLES]
    ]
    parts += [f"leaks: {what} {count}" for what, count in result.leaks.items() if count]
    parts += [f"processes: {result.left} left"] if result.left else []
    return "\n\n".join([*parts, last_line(result)])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
