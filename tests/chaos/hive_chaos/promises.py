"""What Hive promises, each as a function from a history to the sentences that contradict it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hive_chaos import ends, ticks, times
from hive_chaos.history import Asked, History

__all__ = ["PROMISES", "Promise", "re_executions", "violations", "weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One thing that Hive promises."""

    name: str
    letter: str
    """Which count of the last line it belongs to."""

    says: str
    broken_by: Callable[[History], list[str]]
    weighed: Callable[[History], int]
    """How many things there were that could have broken it; of 0 it says nothing."""


def violations(history: History) -> dict[str, list[str]]:
    """Return by promise what contradicts it; a promise that was kept has an empty list."""
    return {promise.name: promise.broken_by(history) for promise in PROMISES}


def weights(history: History) -> dict[str, int]:
    """Return by promise how much it was held against."""
    return {promise.name: promise.weighed(history) for promise in PROMISES}


def re_executions(history: History) -> int:
    """Return how many runs were neither a task's first nor followed a failure of its own."""
    runs = times.by_number(history.runs)
    failures = {row.number: row.failures for row in history.rows if row.number is not None}
    return sum(
        max(0, len(some) - 1 - min(failures.get(number, 0), len(some) - 1))
        for number, some in runs.items()
        if number not in history.asked or not history.asked[number].asks_for_more
    )


def _runs_of(history: History, is_meant: Callable[[Asked], bool]) -> int:
    """Return how many runs there were of tasks that are meant."""
    asked = history.asked
    return sum(run.number in asked and is_meant(asked[run.number]) for run in history.runs)


PROMISES: Final = (
    Promise(
        name="lost",
        letter="L",
        says="What was acknowledged is there, and comes to its end",
        broken_by=ends.lost,
        weighed=lambda h: sum(asked.is_acknowledged for asked in h.asked.values()),
    ),
    Promise(
        name="wrong",
        letter="L",
        says="It ends as it must, with the result that it must have",
        broken_by=ends.wrong,
        weighed=lambda h: len(h.rows),
    ),
    Promise(
        name="retries",
        letter="L",
        says="What fails is tried again, as often as it may be and no more",
        broken_by=ends.wrong_retries,
        weighed=lambda h: sum(asked.failures != (0, 0) for asked in h.asked.values()),
    ),
    Promise(
        name="never ran",
        letter="L",
        says="What succeeded has run to its end",
        broken_by=ends.never_ran,
        weighed=lambda h: sum(row.state == "succeeded" for row in h.rows),
    ),
    Promise(
        name="twice",
        letter="T",
        says="One end is accepted of each task, and the log tells of that one",
        broken_by=ends.twice,
        weighed=lambda h: len(h.rows),
    ),
    Promise(
        name="untrue hints",
        letter="T",
        says="An end is told on the bus when it is committed, and not before",
        broken_by=ends.untrue_hints,
        weighed=lambda h: h.hints,
    ),
    Promise(
        name="ran again",
        letter="T",
        says="What may never run again (`max_losses` 0) ran once at most",
        broken_by=ends.ran_again,
        weighed=lambda h: _runs_of(h, lambda asked: asked.runs_once),
    ),
    Promise(
        name="at once",
        letter="K",
        says="No two attempts of one task run at the same time (processes)",
        broken_by=times.at_once,
        weighed=lambda h: sum(run.is_process for run in h.runs),
    ),
    Promise(
        name="key overlaps",
        letter="K",
        says="No two tasks of one key run at the same time (processes)",
        broken_by=times.key_overlaps,
        weighed=lambda h: _runs_of(h, lambda asked: asked.key is not None),
    ),
    Promise(
        name="order",
        letter="O",
        says="Tasks of one key start in the order submitted",
        broken_by=times.out_of_order,
        weighed=lambda h: _runs_of(h, lambda asked: asked.key is not None),
    ),
    Promise(
        name="limits",
        letter="K",
        says="No more tasks of a limit run at the same time than it lets (processes)",
        broken_by=times.over_limit,
        weighed=lambda h: _runs_of(h, lambda asked: asked.limit is not None),
    ),
    Promise(
        name="dependencies",
        letter="O",
        says="No task starts before those that it comes after have succeeded (or ended)",
        broken_by=times.too_early,
        weighed=lambda h: sum(bool(each.after or each.behind) for each in h.asked.values()),
    ),
    Promise(
        name="ticks",
        letter="O",
        says="A schedule makes one task for each moment, or tells why none, by its policies",
        broken_by=ticks.wrong_ticks,
        weighed=lambda h: sum(len(each.moments) for each in h.ticking.values()),
    ),
)
