"""What Hive promises, each as a function from a history to the sentences that contradict it.

Two attempts of one task, and two tasks of one key, never run at the same time if they are
processes: their guardian ends them before their lease could lapse. An `async def` function runs in
its worker's own loop, and nobody can stop it from outside: when a frozen worker thaws, it may go on
until its next `await` under a lease that is long gone. What it then returns is refused, but for a
moment it ran beside its successor. Such overlaps are counted apart, and violate nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from hive_chaos.history import History, Row, Run

__all__ = ["PROMISES", "Promise", "overlaps_in_loops", "re_executions", "violations"]

TERMINAL: Final = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One thing that Hive promises."""

    name: str
    letter: str
    """Which count of the last line it belongs to."""

    says: str
    broken_by: Callable[[History], list[str]]


def violations(history: History) -> dict[str, list[str]]:
    """Return by promise what contradicts it; a promise that was kept has an empty list."""
    return {promise.name: promise.broken_by(history) for promise in PROMISES}


def re_executions(history: History) -> int:
    """Return how many runs were neither a task's first nor followed a failure of its own."""
    runs = _by_number(history.runs)
    failures = {row.number: row.failures for row in history.rows if row.number is not None}
    return sum(
        max(0, len(some) - 1 - min(failures.get(number, 0), len(some) - 1))
        for number, some in runs.items()
    )


def overlaps_in_loops(history: History) -> int:
    """Return how often a run overlapped another of its task or key where one was in a loop."""
    together = [*_by_number(history.runs).values(), *_by_key(history).values()]
    return sum(
        1
        for runs in together
        for one, other in _overlapping(runs)
        if not (one.is_process and other.is_process)
    )


def _lost(history: History) -> list[str]:
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


def _wrong(history: History) -> list[str]:
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


def _never_ran(history: History) -> list[str]:
    ran = {run.number for run in history.runs if run.has_ended}
    return [
        f"task {row.task_id} succeeded, and no run of it came to its end"
        for row in history.rows
        if row.state == "succeeded" and row.number in history.asked and row.number not in ran
    ]


def _twice(history: History) -> list[str]:
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


def _together(history: History) -> list[str]:
    return [
        f"two attempts of task number {number} ran at once, for {_shared(one, other)}"
        for number, runs in _by_number(history.runs).items()
        for one, other in _overlapping(_processes(runs))
    ]


def _ran_again(history: History) -> list[str]:
    return [
        f"task number {number} may never run again, and ran {len(runs)} times"
        for number, runs in _by_number(history.runs).items()
        if len(runs) > 1 and number in history.asked and history.asked[number].runs_once
    ]


def _key_overlaps(history: History) -> list[str]:
    return [
        f"numbers {one.number} and {other.number} of key {key!r} ran at once,"
        f" for {_shared(one, other)}"
        for key, runs in _by_key(history).items()
        for one, other in _overlapping(_processes(runs))
        if one.number != other.number
    ]


def _out_of_order(history: History) -> list[str]:
    """Hold the starts of each key against the order of submits.

    All runs of a process count, since a task keeps its turn through its retries; of a function in a
    loop only the first. What nobody acknowledged may have been submitted late.
    """
    found: list[str] = []
    for key, runs in _by_key(history).items():
        told = _that_count(run for run in runs if history.asked[run.number].is_acknowledged)
        found += [
            f"number {later.number} of key {key!r} began before {earlier.number},"
            " which was submitted first"
            for later, earlier in pairwise(told)
            if earlier.number < later.number
        ]
    return found


def _too_early(history: History) -> list[str]:
    succeeded = {row.number for row in history.rows if row.state == "succeeded"}
    done_at: dict[int, float] = {}
    for run in history.runs:
        if run.has_ended:
            done_at[run.number] = min(run.seen_at, done_at.get(run.number, run.seen_at))
    found: list[str] = []
    for run in history.runs:
        asked = history.asked.get(run.number)
        for parent in asked.after if asked is not None else ():
            if parent not in succeeded:
                found.append(f"number {run.number} ran, though {parent} did not succeed")
            elif done_at.get(parent, float("inf")) > run.begun_at:
                found.append(f"number {run.number} began before {parent} had ended")
    return found


def _ticks(history: History) -> list[str]:
    made: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in history.rows:
        if row.schedule is not None and row.tick is not None:
            made[row.schedule, row.tick] += 1
    wanted = {(name, tick) for name, ticks in history.ticks.items() for tick in ticks}
    return [
        *(f"schedule {name} missed {tick}" for name, tick in sorted(wanted - made.keys())),
        *(
            f"schedule {name} made {count} tasks for {tick}"
            for (name, tick), count in sorted(made.items())
            if count > 1
        ),
        *(
            f"schedule {name} made a task for {tick}, which is none of its moments"
            for name, tick in sorted(made.keys() - wanted)
        ),
    ]


def _untrue(history: History) -> list[str]:
    return list(history.untrue_hints)


PROMISES: Final = (
    Promise(
        name="lost",
        letter="L",
        says="What was acknowledged is there, and comes to its end",
        broken_by=_lost,
    ),
    Promise(
        name="wrong",
        letter="L",
        says="It ends as it must, with the result that it must have",
        broken_by=_wrong,
    ),
    Promise(
        name="never ran",
        letter="L",
        says="What succeeded has run to its end",
        broken_by=_never_ran,
    ),
    Promise(
        name="twice",
        letter="T",
        says="One end is accepted of each task, and the log tells of that one",
        broken_by=_twice,
    ),
    Promise(
        name="untrue hints",
        letter="T",
        says="An end is told on the bus when it is committed, and not before",
        broken_by=_untrue,
    ),
    Promise(
        name="ran again",
        letter="T",
        says="What may never run again (`max_losses` 0) ran once at most",
        broken_by=_ran_again,
    ),
    Promise(
        name="at once",
        letter="K",
        says="No two attempts of one task run at the same time (processes)",
        broken_by=_together,
    ),
    Promise(
        name="key overlaps",
        letter="K",
        says="No two tasks of one key run at the same time (processes)",
        broken_by=_key_overlaps,
    ),
    Promise(
        name="order",
        letter="O",
        says="Tasks of one key start in the order submitted",
        broken_by=_out_of_order,
    ),
    Promise(
        name="dependencies",
        letter="O",
        says="No task starts before those that it comes after have succeeded",
        broken_by=_too_early,
    ),
    Promise(
        name="ticks",
        letter="O",
        says="A schedule makes one task for each of its moments",
        broken_by=_ticks,
    ),
)


def _by_number(runs: Iterable[Run]) -> dict[int, list[Run]]:
    found: defaultdict[int, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.number].append(run)
    return found


def _by_key(history: History) -> dict[str, list[Run]]:
    found: defaultdict[str, list[Run]] = defaultdict(list)
    for run in history.runs:
        asked = history.asked.get(run.number)
        if asked is not None and asked.key is not None:
            found[asked.key].append(run)
    return found


def _processes(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.is_process]


def _overlapping(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Return pairs that ran at the same time: each run with the longest-lived one before it."""
    found: list[tuple[Run, Run]] = []
    longest: Run | None = None
    for run in sorted(runs, key=lambda run: run.begun_at):
        if longest is not None and run.begun_at < longest.seen_at:
            found.append((longest, run))
        if longest is None or run.seen_at > longest.seen_at:
            longest = run
    return found


def _that_count(runs: Iterable[Run]) -> list[Run]:
    """Return every run of a process and the first of each function in a loop, by their begin."""
    counted: list[Run] = []
    in_loops: set[int] = set()
    for run in sorted(runs, key=lambda run: run.begun_at):
        if run.is_process or run.number not in in_loops:
            counted.append(run)
        if not run.is_process:
            in_loops.add(run.number)
    return counted


def _shared(one: Run, other: Run) -> str:
    return f"{min(one.seen_at, other.seen_at) - max(one.begun_at, other.begun_at):.3f} s"
