"""How tasks ended: what a history says against "once, as it must, and truly told"."""

from collections import defaultdict
from typing import Final

from hive_chaos.history import History, Row
from hive_chaos.times import by_number

__all__ = ["lost", "never_ran", "ran_again", "twice", "untrue_hints", "wrong", "wrong_retries"]

TERMINAL: Final = frozenset({"succeeded", "failed", "cancelled"})


def lost(history: History) -> list[str]:
    """Return what was acknowledged and is not there, and what has not ended."""
    rows = {row.number: row for row in history.rows}
    found: list[str] = []
    for number, asked in history.asked.items():
        row = rows.get(number)
        if row is None:
            if asked.is_acknowledged:
                found.append(f"task number {number} was acknowledged, and is not there")
        elif row.state not in TERMINAL:
            found.append(f"task {row.task_id} did not end; it is {row.state}")
    return found


def wrong(history: History) -> list[str]:
    """Return what ended as it cannot have, or with another result than its own."""
    found: list[str] = []
    for row in history.rows:
        asked = history.asked.get(row.number) if row.number is not None else None
        if asked is None or row.state not in TERMINAL:
            continue
        if row.state not in asked.may_end_as:
            found.append(f"task {row.task_id} ended as {row.state}, which it cannot by itself")
        elif row.state == "succeeded" and asked.answer not in (None, row.answer):
            found.append(f"task {row.task_id} came to {row.answer!r}, not to {asked.answer!r}")
    return found


def wrong_retries(history: History) -> list[str]:
    """Return what was tried too often or not often enough.

    An attempt that was lost is counted as none, also if it had failed before that.
    """
    found: list[str] = []
    for row in history.rows:
        asked = history.asked.get(row.number) if row.number is not None else None
        if asked is None or row.state not in TERMINAL or row.state == "cancelled":
            continue
        least, most = asked.failures
        if not least <= row.failures <= most:
            found.append(
                f"task {row.task_id} {row.state} after {row.failures} failures of its own, which"
                f" are from {least} to {most}"
            )
    return found


def never_ran(history: History) -> list[str]:
    """Return what succeeded though no run of it came to its end."""
    ran = {run.number for run in history.runs if run.has_ended}
    return [
        f"task {row.task_id} succeeded, and no run of it came to its end"
        for row in history.rows
        if row.state == "succeeded" and row.number in history.asked and row.number not in ran
    ]


def twice(history: History) -> list[str]:
    """Return what has two ends, or another one than the log tells, or is there twice."""
    found = [
        f"the log tells {len(row.ends)} ends of task {row.task_id}: {', '.join(row.ends)}"
        for row in history.rows
        if len(row.ends) > 1
    ]
    found += [
        f"task {row.task_id} is {row.state}, and the log tells {', '.join(row.ends) or 'no end'}"
        for row in history.rows
        if len(row.ends) <= 1 and row.state in TERMINAL and row.ends != (row.state,)
    ]
    rows: defaultdict[int, list[Row]] = defaultdict(list)
    for row in history.rows:
        if row.number is not None:
            rows[row.number].append(row)
    return found + [
        f"number {number} was submitted once, and is there {len(some)} times"
        for number, some in rows.items()
        if len(some) > 1
    ]


def ran_again(history: History) -> list[str]:
    """Return what ran again though it may not."""
    return [
        f"task number {number} may never run again, and ran {len(runs)} times"
        for number, runs in by_number(history.runs).items()
        if len(runs) > 1 and number in history.asked and history.asked[number].runs_once
    ]


def untrue_hints(history: History) -> list[str]:
    """Return the ends that were told before they were so."""
    return list(history.untrue_hints)
