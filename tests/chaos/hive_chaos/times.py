"""When tasks ran: what a history says against "never at the same time, and in order".

Two attempts of one task, and two tasks of one key, never run at the same time if they are
processes: their guardian ends them before their lease could lapse. An `async def` function runs in
its worker's own loop, and nobody can stop it from outside: when a frozen worker thaws, it may go on
until its next `await` under a lease that is long gone. What it then returns is refused, but for a
moment it ran beside its successor. Such overlaps are counted apart, and violate nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from hive_chaos.history import History, Run

__all__ = [
    "at_once",
    "by_number",
    "key_overlaps",
    "out_of_order",
    "over_limit",
    "overlaps_in_loops",
    "too_early",
]


def at_once(history: History) -> list[str]:
    """Return attempts of one task that ran at once, of those that are processes."""
    return [
        f"two attempts of task number {number} ran at once, for {_shared(one, other)}"
        for number, runs in by_number(history.runs).items()
        for one, other in _overlapping(_processes(runs))
    ]


def key_overlaps(history: History) -> list[str]:
    """Return tasks of one key that ran at once, of those that are processes."""
    return [
        f"numbers {one.number} and {other.number} of key {key!r} ran at once,"
        f" for {_shared(one, other)}"
        for key, runs in _by_key(history).items()
        for one, other in _overlapping(_processes(runs))
        if one.number != other.number
    ]


def out_of_order(history: History) -> list[str]:
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


def over_limit(history: History) -> list[str]:
    """Return runs that began while as many ran as their limit lets, of those that are processes."""
    found: list[str] = []
    living: list[Run] = []
    for run in sorted(_processes(history.runs), key=lambda run: run.begun_at):
        asked = history.asked.get(run.number)
        if asked is None or asked.limit is None:
            continue
        living = [each for each in living if each.seen_at > run.begun_at]
        if len(living) >= asked.limit:
            others = ", ".join(str(each.number) for each in living)
            found.append(f"number {run.number} began while {others} ran; {asked.limit} may at once")
        living.append(run)
    return found


def too_early(history: History) -> list[str]:
    """Return runs that began before what they come after had succeeded, or had ended."""
    return [*_before_success(history), *_before_end(history)]


def _before_end(history: History) -> list[str]:
    """Return what began before a task that had to end first ran for the last time."""
    runs = by_number(history.runs)
    last = {number: max(run.seen_at for run in some) for number, some in runs.items()}
    return [
        f"number {run.number} began before {earlier} had ended"
        for run in history.runs
        if (asked := history.asked.get(run.number)) is not None
        for earlier in asked.behind
        if last.get(earlier, 0.0) > run.begun_at
    ]


def _before_success(history: History) -> list[str]:
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


def overlaps_in_loops(history: History) -> int:
    """Return how often a run overlapped another of its task or key where one was in a loop."""
    together = [*by_number(history.runs).values(), *_by_key(history).values()]
    return sum(
        1
        for runs in together
        for one, other in _overlapping(runs)
        if not (one.is_process and other.is_process)
    )


def by_number(runs: Iterable[Run]) -> dict[int, list[Run]]:
    """Return runs by the number of their task."""
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


def _processes(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.is_process]
