"""The checker finds what it looks for: histories made up to break one promise break that one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hive_chaos.history import Asked, History, LeftOut, Row, Run, Ticking, read_witnesses
from hive_chaos.promises import PROMISES, re_executions, violations
from hive_chaos.tasks.chaos_tasks import Witness
from hive_chaos.times import overlaps_in_loops


def asked(number: int, **more: Any) -> Asked:
    values: dict[str, Any] = {"answer": f"done {number}", **more}
    return Asked(number=number, **values)


def row(number: int, **more: Any) -> Row:
    values: dict[str, Any] = {
        "state": "succeeded",
        "answer": f"done {number}",
        "ends": ("succeeded",),
        **more,
    }
    return Row(task_id=1000 + number, number=number, **values)


def ran(number: int, begun_at: float, seen_at: float, **more: Any) -> Run:
    return Run(number=number, begun_at=begun_at, seen_at=seen_at, **more)


def history(
    all_asked: Sequence[Asked], runs: Sequence[Run], rows: Sequence[Row], **more: Any
) -> History:
    return History(asked={each.number: each for each in all_asked}, runs=runs, rows=rows, **more)


def made(*ticks: int, **more: Any) -> list[Row]:
    """Tasks of the schedule "s"."""
    return [
        Row(task_id=n, number=None, state="queued", schedule="s", tick=tick, **more)
        for n, tick in enumerate(ticks)
    ]


def ticked(moments: Sequence[int], rows: Sequence[Row], **more: Any) -> History:
    return history([], [], rows, ticking={"s": Ticking(moments=tuple(moments), **more)})


MISSED = frozenset({"missed"})
OVERLAP = frozenset({"overlap"})


def broken(found: History) -> set[str]:
    return {name for name, sentences in violations(found).items() if sentences}


GOOD = history(
    [
        asked(1, key="k"),
        asked(2, key="k"),
        asked(3, after=(1, 2)),
        asked(4, may_end_as=frozenset({"failed"})),
        asked(5, is_acknowledged=False),
        asked(6, key="k", is_acknowledged=False),
        asked(7, behind=(1, 4), limit=1),
        asked(8, limit=1),
    ],
    [
        ran(1, 0.0, 1.0, has_ended=False),
        ran(1, 3.0, 4.0),
        ran(6, 4.0, 5.0),
        ran(2, 5.0, 6.0),
        ran(3, 7.0, 8.0),
        ran(4, 0.0, 1.0),
        ran(7, 4.5, 5.0),
        ran(8, 5.0, 6.0),
    ],
    [
        row(1),
        row(2),
        row(3),
        row(4, state="failed", answer=None, ends=("failed",)),
        row(6),
        row(7),
        row(8),
        *made(1, 7, 8, finished_at=8.5),
    ],
    ticking={
        "s": Ticking(
            moments=(1, 2, 3, 4, 5, 6, 7, 8, 9),
            may_leave_out=MISSED | OVERLAP,
            makes_up_for_last=True,
            left_out={
                6: LeftOut(reason="missed", count=5),
                9: LeftOut(reason="overlap"),
            },
        )
    },
)


def test_a_history_in_which_all_is_as_it_must_be_breaks_nothing() -> None:
    assert broken(GOOD) == set()


BAD = {
    "lost: not there": ("lost", history([asked(1)], [], [])),
    "lost: not ended": (
        "lost",
        history([asked(1)], [ran(1, 0, 1)], [row(1, state="running", ends=())]),
    ),
    "wrong: another result": ("wrong", history([asked(1)], [ran(1, 0, 1)], [row(1, answer="x")])),
    "wrong: another state": (
        "wrong",
        history([asked(1)], [ran(1, 0, 1)], [row(1, state="failed", ends=("failed",))]),
    ),
    "retries: too many": (
        "retries",
        history([asked(1, failures=(0, 1))], [ran(1, 0, 1)], [row(1, failures=2)]),
    ),
    "retries: too few": (
        "retries",
        history(
            [asked(1, failures=(3, 3), may_end_as=frozenset({"failed"}))],
            [ran(1, 0, 1)],
            [row(1, state="failed", ends=("failed",), failures=2)],
        ),
    ),
    "never ran": ("never ran", history([asked(1)], [], [row(1)])),
    "never ran: no run came to its end": (
        "never ran",
        history([asked(1)], [ran(1, 0, 1, has_ended=False)], [row(1)]),
    ),
    "twice: two ends": (
        "twice",
        history([asked(1)], [ran(1, 0, 1)], [row(1, ends=("succeeded", "succeeded"))]),
    ),
    "twice: another end": (
        "twice",
        history([asked(1)], [ran(1, 0, 1)], [row(1, ends=("failed",))]),
    ),
    "twice: no end": ("twice", history([asked(1)], [ran(1, 0, 1)], [row(1, ends=())])),
    "twice: two tasks for one submit": (
        "twice",
        history([asked(1)], [ran(1, 0, 1)], [row(1), row(1)]),
    ),
    "untrue hints": ("untrue hints", history([], [], [], untrue_hints=["too early"])),
    "ran again": (
        "ran again",
        history([asked(1, runs_once=True)], [ran(1, 0, 1), ran(1, 2, 3)], [row(1)]),
    ),
    "at once": ("at once", history([asked(1)], [ran(1, 0, 3), ran(1, 2, 4)], [row(1)])),
    "at once: killed at its last sign of life": (
        "at once",
        history([asked(1)], [ran(1, 0, 3, has_ended=False), ran(1, 2, 4)], [row(1)]),
    ),
    "at once: a function in a loop hides no process": (
        "at once",
        history(
            [asked(1)],
            [ran(1, 0, 9, is_process=False), ran(1, 1, 3), ran(1, 2, 4)],
            [row(1)],
        ),
    ),
    "key overlaps": (
        "key overlaps",
        history(
            [asked(1, key="k"), asked(2, key="k")],
            [ran(1, 0, 3), ran(2, 2, 4)],
            [row(1), row(2)],
        ),
    ),
    "order": (
        "order",
        history(
            [asked(1, key="k"), asked(2, key="k")],
            [ran(2, 0, 1), ran(1, 2, 3)],
            [row(1), row(2)],
        ),
    ),
    "order: between two tries of one": (
        "order",
        history(
            [asked(1, key="k"), asked(2, key="k")],
            [ran(1, 0, 1), ran(2, 2, 3), ran(1, 4, 5)],
            [row(1), row(2)],
        ),
    ),
    "order: in loops": (
        "order",
        history(
            [asked(1, key="k"), asked(2, key="k")],
            [ran(2, 0, 1, is_process=False), ran(1, 2, 3, is_process=False)],
            [row(1), row(2)],
        ),
    ),
    "dependencies: too early": (
        "dependencies",
        history(
            [asked(1), asked(2, after=(1,))],
            [ran(1, 0, 3), ran(2, 2, 4)],
            [row(1), row(2)],
        ),
    ),
    "dependencies: behind one that failed": (
        "dependencies",
        history(
            [asked(1, may_end_as=frozenset({"failed"})), asked(2, after=(1,))],
            [ran(1, 0, 1), ran(2, 2, 4)],
            [row(1, state="failed", ends=("failed",)), row(2)],
        ),
    ),
    "dependencies: one that may fail had not ended": (
        "dependencies",
        history(
            [asked(1, may_end_as=frozenset({"failed"})), asked(2, behind=(1,))],
            [ran(1, 0, 1), ran(1, 3, 4), ran(2, 2, 4)],
            [row(1, state="failed", ends=("failed",)), row(2)],
        ),
    ),
    "limits": (
        "limits",
        history(
            [asked(1, limit=2), asked(2, limit=2), asked(3, limit=2)],
            [ran(1, 0, 3), ran(2, 1, 4), ran(3, 2, 5)],
            [row(1), row(2), row(3)],
        ),
    ),
    "ticks: missed": ("ticks", ticked([1, 2], made(1))),
    "ticks: doubled": ("ticks", ticked([1], made(1, 1))),
    "ticks: at a moment that is none": ("ticks", ticked([1], made(1, 7))),
    "ticks: of a schedule that there is not": ("ticks", history([], [], made(1))),
    "ticks: left out against the policy": (
        "ticks",
        ticked([1], [], left_out={1: LeftOut(reason="missed")}),
    ),
    "ticks: made and left out": (
        "ticks",
        ticked([1, 2], made(1, 2), may_leave_out=MISSED, left_out={1: LeftOut(reason="missed")}),
    ),
    "ticks: left out for an earlier task that had ended": (
        "ticks",
        ticked(
            [1, 60],
            made(1, finished_at=5.0),
            may_leave_out=OVERLAP,
            left_out={60: LeftOut(reason="overlap")},
        ),
    ),
    "ticks: the last that was missed is not made up for": (
        "ticks",
        ticked(
            [1, 2, 3],
            made(3),
            may_leave_out=MISSED,
            makes_up_for_last=True,
            left_out={1: LeftOut(reason="missed"), 2: LeftOut(reason="missed")},
        ),
    ),
    "ticks: nothing is made up for": (
        "ticks",
        ticked(
            [1, 2],
            made(1),
            may_leave_out=MISSED,
            makes_up_for_last=True,
            left_out={2: LeftOut(reason="missed")},
        ),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_planted_contradiction_breaks_the_promise_that_it_contradicts(case: str) -> None:
    name, found = BAD[case]
    assert broken(found) == {name}


def test_each_promise_has_a_history_that_breaks_it() -> None:
    assert {name for name, _ in BAD.values()} == {promise.name for promise in PROMISES}


def test_functions_in_loops_may_overlap_and_are_counted_apart() -> None:
    found = history(
        [asked(1, key="k"), asked(2, key="k")],
        [ran(1, 0, 3, is_process=False), ran(1, 1, 2, is_process=False), ran(2, 2.5, 4)],
        [row(1), row(2)],
    )
    assert broken(found) == set()
    # Once as attempts of one task, and twice as runs of one key.
    assert overlaps_in_loops(found) == 3


def test_a_run_after_a_failure_of_its_own_is_no_re_execution() -> None:
    found = history(
        [asked(1), asked(2)],
        [ran(1, 0, 1), ran(1, 2, 3), ran(1, 4, 5), ran(2, 0, 1)],
        [row(1, failures=1), row(2)],
    )
    assert re_executions(found) == 1


def test_an_attempt_that_asked_for_another_is_no_re_execution() -> None:
    found = history([asked(1, asks_for_more=True)], [ran(1, 0, 1), ran(1, 2, 3)], [row(1)])
    assert re_executions(found) == 0


def test_a_hundred_missed_moments_stand_for_any_number() -> None:
    found = ticked(
        range(1, 302),
        made(1, 301),
        may_leave_out=MISSED,
        left_out={300: LeftOut(reason="missed", count=100)},
    )
    assert broken(found) == set()


def test_what_a_killed_attempt_has_written_tells_how_long_it_lived(tmp_path: Path) -> None:
    path = tmp_path / "witnesses"
    killed, ended = (Witness(str(path), number, "process", "1") for number in (1, 2))
    for witness, *words in ((killed, "begin", "alive", "alive"), (ended, "begin", "end")):
        for word in words:
            witness.say(word)
    first, second = read_witnesses(path)
    assert (first.number, first.has_ended, second.number, second.has_ended) == (1, False, 2, True)
    assert first.begun_at < first.seen_at < second.begun_at < second.seen_at
