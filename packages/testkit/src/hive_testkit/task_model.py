"""What the store should say of tasks and leases: a dictionary to compare it with.

It knows the table of moves and the rules of leases, in memory and for one caller at a time; it knows
nothing of SQL, of time but as a number, and of several callers at once.
"""

from dataclasses import dataclass, field
from datetime import datetime

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TERMINAL_STATES, Move, TaskState, advance

__all__ = ["ModelLease", "ModelTask"]

GOES_BACK = frozenset({Move.RETRY, Move.RELEASE, Move.LAPSE, Move.LOSE})
"""Moves after which the task waits again, unless it was called off."""


@dataclass(slots=True, kw_only=True)
class ModelTask:
    """A task as it should be."""

    id: TaskId
    state: TaskState
    priority: int
    due: int
    """When it may run, in seconds of the model's time."""

    max_losses: int
    run_at: datetime
    """The same by the database's clock: what it was told to be, then what it says."""

    claims: int = 0
    given_back: int = 0
    failures: int = 0
    losses: int = 0
    goes_alone: bool = False
    is_called_off: bool = False
    lease: LeaseId | None = None
    ended_lease: LeaseId | None = None
    outcome: OutcomeName | None = None
    history: set[tuple[int, int, OutcomeName]] = field(
        default_factory=set[tuple[int, int, OutcomeName]]
    )
    ends: int = 0
    """How often it came to an end."""

    @property
    def attempt(self) -> int:
        """The attempt that people see."""
        return self.claims - self.given_back

    def move(self, move: Move) -> None:
        """Make a move that must be legal."""
        self.state = advance(self.state, move)
        self.ends += self.state in TERMINAL_STATES

    def end(self, move: Move, outcome: OutcomeName, *, is_given_back: bool = False) -> None:
        """Leave the lease, by whatever move; `is_given_back` if the attempt is not to count."""
        if self.is_called_off and move in GOES_BACK:
            move = Move.CANCEL
        self.move(move)
        self.lease, self.ended_lease, self.outcome = None, self.lease, outcome
        if self.state not in TERMINAL_STATES:
            self.history.add((self.claims, self.attempt, outcome))
            self.given_back += is_given_back

    def lose(self, *, is_alone: bool) -> None:
        """Its lease has lapsed, and somebody has noticed."""
        ran = self.state is TaskState.RUNNING
        is_charged = ran and is_alone
        is_over = ran and (
            self.max_losses == 0 or (is_alone and self.losses + 1 >= self.max_losses)
        )
        move = (Move.EXHAUST if is_over else Move.LOSE) if ran else Move.LAPSE
        outcome = OutcomeName.LOST if ran else OutcomeName.RELEASED
        if self.is_called_off:
            move, outcome = Move.CANCEL, OutcomeName.CANCELLED
        self.losses += is_charged or is_over
        self.goes_alone = True
        self.end(move, outcome, is_given_back=not (is_charged or is_over))

    def revive(self, now: int) -> None:
        """Somebody wants it to be tried once more."""
        is_kept = self.claims in {claim for claim, _, _ in self.history}
        if self.ended_lease is not None and self.outcome is not None and not is_kept:
            self.history.add((self.claims, self.attempt, self.outcome))
        self.move(Move.REVIVE)
        self.due, self.losses, self.outcome, self.is_called_off = now, 0, None, False


@dataclass(slots=True, kw_only=True)
class ModelLease:
    """A lease as it should be; kept when it is gone, because workers do not forget either."""

    id: LeaseId
    queen: int
    """Number of the queen that granted it."""

    members: list[TaskId]
    expires: int
    """In seconds of the model's time."""

    worker: int | None = None
    """Number of the worker that accepted it."""

    is_there: bool = True
