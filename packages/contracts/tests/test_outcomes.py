"""What each ending of an attempt means for its task, and how long a retry waits."""

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_contracts.outcomes import (
    Asked,
    Cancelled,
    Failed,
    Outcome,
    OutcomeName,
    OverBudget,
    Parked,
    Released,
    Succeeded,
    TimedOut,
    backoff,
    move_for,
    name_of,
)
from hive_contracts.states import MOVES, Move, TaskState

RETRYABLE: list[Outcome] = [Failed("exit code 1"), TimedOut(timedelta(seconds=3))]
OTHERS: list[tuple[Outcome, Move]] = [
    (Succeeded({"x": 1}), Move.SUCCEED),
    (Failed("no such file", is_retryable=False), Move.FAIL),
    (Cancelled(), Move.CANCEL),
    (Released("drains"), Move.RELEASE),
    (Released("not here", again_after=timedelta(seconds=5)), Move.POSTPONE),
    (Parked("not yet", again_after=timedelta(minutes=5)), Move.PARK),
    (Parked("somebody has to look"), Move.PARK),
    (Asked("May it go?", ("yes", "no")), Move.ASK),
    (OverBudget("10 of 10 USD are spent"), Move.FAIL),
]
GRID = [(failures, most) for failures, most in product(range(6), range(1, 6))]

spans = st.timedeltas(timedelta(milliseconds=1), timedelta(days=1))
jitters = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("outcome", RETRYABLE)
@pytest.mark.parametrize(("failures", "most"), GRID)
def test_a_failure_is_retried_until_the_attempts_are_used_up(
    outcome: Outcome, failures: int, most: int
) -> None:
    expected = Move.RETRY if failures + 1 < most else Move.FAIL
    assert move_for(outcome, failures=failures, max_attempts=most) is expected


@pytest.mark.parametrize(("outcome", "move"), OTHERS)
@pytest.mark.parametrize(("failures", "most"), GRID)
def test_other_endings_mean_the_same_whatever_came_before(
    outcome: Outcome, move: Move, failures: int, most: int
) -> None:
    assert move_for(outcome, failures=failures, max_attempts=most) is move


@pytest.mark.parametrize("outcome", [*RETRYABLE, *(o for o, _ in OTHERS)])
@pytest.mark.parametrize("state", [TaskState.DISPATCHED, TaskState.RUNNING])
def test_every_ending_is_a_legal_move_of_a_leased_task(outcome: Outcome, state: TaskState) -> None:
    assert move_for(outcome, failures=0, max_attempts=3) in MOVES[state]


def test_every_ending_but_a_loss_is_a_workers_to_name() -> None:
    named = {name_of(outcome) for outcome in [*RETRYABLE, *(o for o, _ in OTHERS)]}
    assert named == set(OutcomeName) - {OutcomeName.LOST}


@given(failures=st.integers(1, 10_000), base=spans, cap=spans, jitter=jitters)
def test_a_back_off_lies_between_half_and_all_of_the_doubled_base(
    failures: int, base: timedelta, cap: timedelta, jitter: float
) -> None:
    tick = timedelta(microseconds=1)
    whole = tick * min(base // tick * 2 ** (failures - 1), cap // tick)
    wait = backoff(failures, base=base, cap=cap, jitter=jitter)
    assert whole / 2 - tick <= wait <= whole


@given(failures=st.integers(1, 100), base=spans, cap=spans, jitter=jitters)
def test_a_back_off_never_shrinks_as_failures_add_up(
    failures: int, base: timedelta, cap: timedelta, jitter: float
) -> None:
    waits = [backoff(n, base=base, cap=cap, jitter=jitter) for n in (failures, failures + 1)]
    assert waits == sorted(waits)


def test_tasks_that_failed_together_do_not_return_together() -> None:
    one, other = (
        backoff(3, base=timedelta(seconds=1), cap=timedelta(minutes=1), jitter=jitter)
        for jitter in (0.0, 0.99)
    )
    assert (one, other) == (timedelta(seconds=2), timedelta(seconds=3.98))
