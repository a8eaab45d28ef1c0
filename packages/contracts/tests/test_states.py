"""The table of moves: complete, closed, and readable when it refuses."""

from itertools import product

import pytest

from hive_contracts.errors import IllegalMoveError
from hive_contracts.states import INITIAL_STATES, MOVES, TERMINAL_STATES, Move, TaskState, advance

EVERY_PAIR = list(product(TaskState, Move))


def reachable_from(births: frozenset[TaskState], *, without: Move | None = None) -> set[TaskState]:
    found = set(births)
    fresh = found
    while fresh:
        fresh = {to for s in fresh for move, to in MOVES[s].items() if move is not without} - found
        found = found | fresh
    return found


def test_every_state_has_a_row() -> None:
    assert list(MOVES) == list(TaskState)


def test_every_move_happens_somewhere() -> None:
    assert {move for row in MOVES.values() for move in row} == set(Move)


@pytest.mark.parametrize(("state", "move"), EVERY_PAIR)
def test_a_move_leads_where_the_table_says_or_is_refused_in_words(
    state: TaskState, move: Move
) -> None:
    if move in MOVES[state]:
        assert advance(state, move) is MOVES[state][move]
    else:
        with pytest.raises(IllegalMoveError, match=f"^a {state} task cannot {move}$") as refusal:
            advance(state, move)
        assert (refusal.value.state, refusal.value.move) == (state, move)


def test_every_state_is_reachable_from_a_birth() -> None:
    assert reachable_from(INITIAL_STATES) == set(TaskState)


@pytest.mark.parametrize("state", TaskState)
def test_every_state_can_reach_an_end(state: TaskState) -> None:
    assert reachable_from(frozenset({state})) & TERMINAL_STATES


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
def test_only_a_revival_leaves_an_end(state: TaskState) -> None:
    assert set(MOVES[state]) <= {Move.REVIVE, Move.LINE_UP}


def test_what_is_not_an_end_can_be_called_off() -> None:
    assert {s for s in TaskState if Move.CANCEL in MOVES[s]} == set(TaskState) - TERMINAL_STATES


def test_only_leased_tasks_end_by_an_attempt() -> None:
    endings = {Move.SUCCEED, Move.FAIL, Move.RETRY, Move.RELEASE, Move.POSTPONE}
    for state, row in MOVES.items():
        is_leased = state in {TaskState.DISPATCHED, TaskState.RUNNING}
        assert (endings <= set(row)) is is_leased
        assert (endings & set(row) != set()) is is_leased


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        MOVES[TaskState.SUCCEEDED] = {}  # pyright: ignore[reportIndexIssue]
