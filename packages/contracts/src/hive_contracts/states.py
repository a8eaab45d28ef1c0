"""The life of a task: every state, every move, and where each move leads.

This module is the only place that knows which moves are legal. The store asks it nothing at run
time (each SQL statement guards its own move in its `where`), but the store's tests fail when a
statement makes a move that is not in `MOVES`, or when a move has no statement.

Two rules keep it honest:

1. Everything that affects a move is in `MOVES`. A rule that does not fit the table is a sign that
   the table lacks a state.
2. The table knows nothing of who moves the task. Queen, worker and client obey the same rows.

A *task* is what was asked for; an *attempt* is one try at it, made under one *lease*. The lease is
the fencing token: a worker whose lease has lapsed names a lease that the task no longer names, and
its move touches no row.

    blocked ──────┐
        ▲         ▼
    scheduled ──▶ queued ──▶ dispatched ──▶ running ──▶ succeeded | failed | cancelled
        ▲            ▲            │            │
        │            └─ release, lapse, lose ──┤
        └─────────── retry, postpone, park ────┤
    blocked ◀─────── ask ──────────────────────┘
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from hive_contracts.errors import IllegalMoveError

__all__ = [
    "INITIAL_STATES",
    "MOVES",
    "TERMINAL_STATES",
    "WAITING_STATES",
    "Move",
    "TaskState",
    "advance",
]


@unique
class TaskState(StrEnum):
    """Where a task is in its life. The values are the labels of the `task_state` enum in SQL."""

    BLOCKED = "blocked"
    """It waits for tasks that it comes after, for the turn of its key, a limit, or an answer."""

    SCHEDULED = "scheduled"
    """Not due yet: submitted for later, waiting out a back-off, postponed, or parked."""

    QUEUED = "queued"
    """Due, and nobody has it."""

    DISPATCHED = "dispatched"
    """Leased, in a bundle; no start is written. Short in-process tasks may end from here."""

    RUNNING = "running"
    """A worker has written, under the lease, that the attempt has started."""

    SUCCEEDED = "succeeded"
    """Done; its result is stored. Final."""

    FAILED = "failed"
    """Out of attempts, lost too often, or failed in a way that no retry can mend."""

    CANCELLED = "cancelled"
    """Called off, and nothing of it runs any more."""


@unique
class Move(StrEnum):
    """What can happen to a task."""

    LINE_UP = "line_up"
    """It is due, or revived, and waits: in the line of its key, for others' ends, or an answer."""

    HOLD_UP = "hold_up"
    """A limit that holds for it is reached; it waits in the line of that limit."""

    UNBLOCK = "unblock"
    """What it waited for has come."""

    FALL_DUE = "fall_due"
    """Its time has come."""

    CLAIM = "claim"
    """A queen leased it."""

    START = "start"
    """Its worker wrote that the attempt has started."""

    SUCCEED = "succeed"
    """The attempt ended with a result."""

    FAIL = "fail"
    """The attempt ended with an error, and no further one is allowed."""

    RETRY = "retry"
    """The attempt ended with an error, and another waits for its back-off."""

    RELEASE = "release"
    """The worker gave the task back unfinished; the attempt does not count."""

    POSTPONE = "postpone"
    """The worker cannot run it and another may: given back, uncounted, until a while has passed."""

    PARK = "park"
    """It is set aside, until a moment or until it is let go on. An attempt does not count."""

    ASK = "ask"
    """The attempt asks a person something, and is given back until there is an answer."""

    LAPSE = "lapse"
    """The lease ran out before a start was written; the attempt does not count."""

    LOSE = "lose"
    """The lease ran out after the start was written: the worker is gone, the task goes back."""

    EXHAUST = "exhaust"
    """The lease ran out after the start was written, once too often."""

    CANCEL = "cancel"
    """Somebody called it off. A leased task is ended by its worker or the reaper, never sooner."""

    REVIVE = "revive"
    """A person wants it to be tried once more."""


MOVES: Final[Mapping[TaskState, Mapping[Move, TaskState]]] = MappingProxyType(
    {
        TaskState.BLOCKED: {
            Move.UNBLOCK: TaskState.QUEUED,
            # A limit's line is read by the claim itself, so that it goes in claim order.
            Move.CLAIM: TaskState.DISPATCHED,
            Move.PARK: TaskState.SCHEDULED,
            Move.CANCEL: TaskState.CANCELLED,
        },
        TaskState.SCHEDULED: {
            Move.FALL_DUE: TaskState.QUEUED,
            Move.LINE_UP: TaskState.BLOCKED,
            Move.PARK: TaskState.SCHEDULED,
            Move.CANCEL: TaskState.CANCELLED,
        },
        TaskState.QUEUED: {
            Move.CLAIM: TaskState.DISPATCHED,
            Move.HOLD_UP: TaskState.BLOCKED,
            Move.PARK: TaskState.SCHEDULED,
            Move.CANCEL: TaskState.CANCELLED,
        },
        TaskState.DISPATCHED: {
            Move.START: TaskState.RUNNING,
            Move.SUCCEED: TaskState.SUCCEEDED,
            Move.FAIL: TaskState.FAILED,
            Move.RETRY: TaskState.SCHEDULED,
            Move.RELEASE: TaskState.QUEUED,
            Move.POSTPONE: TaskState.SCHEDULED,
            Move.PARK: TaskState.SCHEDULED,
            Move.ASK: TaskState.BLOCKED,
            Move.LAPSE: TaskState.QUEUED,
            Move.CANCEL: TaskState.CANCELLED,
        },
        TaskState.RUNNING: {
            Move.SUCCEED: TaskState.SUCCEEDED,
            Move.FAIL: TaskState.FAILED,
            Move.RETRY: TaskState.SCHEDULED,
            Move.RELEASE: TaskState.QUEUED,
            Move.POSTPONE: TaskState.SCHEDULED,
            Move.PARK: TaskState.SCHEDULED,
            Move.ASK: TaskState.BLOCKED,
            Move.LOSE: TaskState.QUEUED,
            Move.EXHAUST: TaskState.FAILED,
            Move.CANCEL: TaskState.CANCELLED,
        },
        TaskState.SUCCEEDED: {},
        TaskState.FAILED: {Move.REVIVE: TaskState.QUEUED, Move.LINE_UP: TaskState.BLOCKED},
        TaskState.CANCELLED: {Move.REVIVE: TaskState.QUEUED, Move.LINE_UP: TaskState.BLOCKED},
    }
)
"""Every legal move. A state with no row, like a move with no entry, refuses."""

INITIAL_STATES: Final = frozenset({TaskState.BLOCKED, TaskState.SCHEDULED, TaskState.QUEUED})
"""The states in which a task may be born."""

WAITING_STATES: Final = INITIAL_STATES
"""The states in which nobody has the task; every one is also one to be born in."""

TERMINAL_STATES: Final = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED})
"""The states that nothing leaves by itself; only a person's `REVIVE` does."""


def advance(state: TaskState, move: Move) -> TaskState:
    """Return the state that `move` leads to.

    Raises:
        IllegalMoveError: `move` cannot happen in `state`.
    """
    try:
        return MOVES[state][move]
    except KeyError:
        raise IllegalMoveError(state, move) from None
