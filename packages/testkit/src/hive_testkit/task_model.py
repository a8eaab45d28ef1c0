"""What the store should say of tasks and leases, to compare it with: a model in plain Python.

It knows the table of moves and the rules of leases, for one caller at a time. It knows nothing of
SQL, of several callers at once, or of time but as a number that rises. Each method does what the
statement of the same name does, and returns what that statement should return.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, inf

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import MOVES, TERMINAL_STATES, Move, TaskState, advance
from hive_store.claiming import Intervals
from hive_store.worker_store import Ending

__all__ = ["LEASE_SECONDS", "ModelLease", "ModelStore", "ModelTask"]

LEASE_SECONDS = 60

GIVES_BACK = frozenset({Move.RELEASE, Move.POSTPONE})
"""Moves by which a worker gives a task back, uncounted."""

NOT_COUNTED = GIVES_BACK | {Move.PARK, Move.ASK}
"""Moves after which an attempt does not count, unless its task may not run again."""

GOES_BACK = NOT_COUNTED | {Move.RETRY, Move.LAPSE, Move.LOSE}
"""Moves after which a task waits again, unless it was called off."""


@dataclass(slots=True, kw_only=True)
class ModelTask:
    """A task as it should be."""

    id: TaskId
    state: TaskState
    priority: int
    due: float
    """When it may run, in seconds of the model's time; infinite while it is parked without end."""

    run_at: datetime
    """The same by the database's clock, as the database says it: it decides the claim order."""

    max_losses: int
    claims: int = 0
    given_back: int = 0
    failures: int = 0
    losses: int = 0
    goes_alone: bool = False
    is_called_off: bool = False
    is_parked: bool = False
    is_asking: bool = False
    due_before: float | None = None
    """For when it was scheduled before it was parked by hand; None if it was not."""

    lease: LeaseId | None = None
    ended_lease: LeaseId | None = None
    outcome: OutcomeName | None = None
    history: dict[int, tuple[int, OutcomeName]] = field(
        default_factory=dict[int, tuple[int, OutcomeName]]
    )
    """By claim: the attempts that ended before the last one."""

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
            outcome = OutcomeName.CANCELLED if move in NOT_COUNTED else outcome
            move = Move.CANCEL
        elif move in GIVES_BACK and self.state is TaskState.RUNNING and self.max_losses == 0:
            move, outcome = Move.EXHAUST, OutcomeName.LOST
            self.losses += 1
        self.move(move)
        self.lease, self.ended_lease, self.outcome = None, self.lease, outcome
        if self.state not in TERMINAL_STATES:
            self.history[self.claims] = (self.attempt, outcome)
            self.given_back += is_given_back

    def go_on(self) -> None:
        """Be parked no more."""
        self.is_parked, self.due_before = False, None

    def lose(self, *, is_alone: bool) -> None:
        """Its lease has lapsed, and the reaper has noticed."""
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


class ModelStore:
    """Every task, and every lease that was ever given."""

    def __init__(self) -> None:
        self.now = 0
        self.tasks: dict[TaskId, ModelTask] = {}
        self.leases: dict[LeaseId, ModelLease] = {}

    def held(self, lease: ModelLease) -> list[ModelTask]:
        """Return the tasks that are still open under a lease, in claim order."""
        return [self.tasks[i] for i in lease.members if self.tasks[i].lease == lease.id]

    def in_state(self, state: TaskState) -> list[ModelTask]:
        """Return the tasks in a state."""
        return [task for task in self.tasks.values() if task.state is state]

    def choose(self, intervals: Intervals, *, limit: int) -> list[ModelTask]:
        """Return what a claim takes, in claim order."""
        behind = {
            priority: (run_at, last_id)
            for priority, run_at, last_id in zip(
                intervals.after_priorities,
                intervals.after_run_ats,
                intervals.after_ids,
                strict=True,
            )
        }
        queued = sorted(self.in_state(TaskState.QUEUED), key=lambda t: (t.priority, t.run_at, t.id))
        is_ahead = [
            t.priority not in behind or (t.run_at, t.id) > behind[t.priority] for t in queued
        ]
        return [t for t, ahead in zip(queued, is_ahead, strict=True) if ahead][:limit]

    @staticmethod
    def bundle(
        chosen: Sequence[ModelTask], *, bundle_size: int, workers: int
    ) -> list[list[TaskId]]:
        """Return how a claim parts its tasks among leases, sorted."""
        share = max(1, min(bundle_size, ceil(len(chosen) / max(1, workers))))
        alone = [[task.id] for task in chosen if task.goes_alone]
        shared = [
            [task.id for task in chosen[i : i + share] if not task.goes_alone]
            for i in range(0, len(chosen), share)
        ]
        return sorted(ids for ids in [*alone, *shared] if ids)

    def grant(self, lease_id: LeaseId, members: list[TaskId], *, queen: int) -> ModelLease:
        """Put tasks under a new lease."""
        expires = self.now + LEASE_SECONDS
        lease = ModelLease(id=lease_id, queen=queen, members=members, expires=expires)
        self.leases[lease_id] = lease
        for task in (self.tasks[i] for i in members):
            task.move(Move.CLAIM)
            task.claims += 1
            task.lease = lease_id
        return lease

    def accept(self, lease: ModelLease, *, worker: int) -> bool:
        """Return whether the worker gets the lease."""
        is_granted = lease.is_there and lease.worker in {None, worker} and lease.expires > self.now
        if is_granted:
            lease.worker, lease.expires = worker, self.now + LEASE_SECONDS
        return is_granted

    def renew(self, leases: Sequence[ModelLease], *, worker: int) -> set[LeaseId]:
        """Return the leases that the worker still holds."""
        held = [lease for lease in leases if lease.is_there and lease.worker == worker]
        for lease in held:
            lease.expires = self.now + LEASE_SECONDS
        return {lease.id for lease in held}

    def start(self, pairs: Collection[tuple[TaskId, LeaseId]]) -> set[TaskId]:
        """Return the tasks that are running now, under the leases named."""
        running: set[TaskId] = set()
        for task_id, lease_id in pairs:
            task, lease = self.tasks[task_id], self.leases[lease_id]
            is_accepted = lease.worker is not None and lease.expires > self.now
            if task.lease == lease_id and is_accepted:
                running.add(task_id)
                if task.state is TaskState.DISPATCHED:
                    task.move(Move.START)
        return running

    def repeated(self, endings: Sequence[Ending]) -> set[tuple[TaskId, LeaseId]]:
        """Return which endings had been written before, by the lease and with the outcome named."""
        firsts = first_endings(endings)
        return {
            key
            for key, ending in firsts.items()
            if self.tasks[key[0]].ended_lease == ending.lease_id
            and (
                self.tasks[key[0]].outcome is ending.outcome
                or (
                    ending.move in GIVES_BACK
                    and self.tasks[key[0]].outcome is OutcomeName.CANCELLED
                )
            )
        }

    def finish(
        self, endings: Sequence[Ending]
    ) -> dict[tuple[TaskId, LeaseId], tuple[TaskState, int]]:
        """Return the states that tasks are moved to, and which attempt that ends."""
        written: dict[tuple[TaskId, LeaseId], tuple[TaskState, int]] = {}
        for (task_id, lease_id), ending in first_endings(endings).items():
            task, lease = self.tasks[task_id], self.leases[lease_id]
            if task.lease != lease_id:
                continue
            task.failures += ending.move in {Move.RETRY, Move.FAIL}
            if ending.move in {Move.RETRY, Move.POSTPONE}:
                task.due = self.now + int(ending.backoff_seconds or 0)
            attempt = task.attempt
            task.end(ending.move, ending.outcome, is_given_back=ending.move in GIVES_BACK)
            lease.is_there = bool(self.held(lease))
            written[task_id, lease_id] = (task.state, attempt)
        return written

    def repeated_parks(self, endings: Sequence[Ending]) -> set[tuple[TaskId, LeaseId]]:
        """Return which tasks were cancelled under the lease named: nobody asks why any more."""
        return {
            (ending.task_id, ending.lease_id)
            for ending in endings
            if self.tasks[ending.task_id].ended_lease == ending.lease_id
            and self.tasks[ending.task_id].outcome is OutcomeName.CANCELLED
        }

    def set_aside(
        self, endings: Sequence[Ending]
    ) -> dict[tuple[TaskId, LeaseId], tuple[TaskState, int]]:
        """Return the states of tasks that park or ask, and which attempt that ends."""
        written: dict[tuple[TaskId, LeaseId], tuple[TaskState, int]] = {}
        for ending in endings:
            task, lease = self.tasks[ending.task_id], self.leases[ending.lease_id]
            if task.lease != ending.lease_id:
                continue
            attempt = task.attempt
            task.end(ending.move, OutcomeName.RELEASED, is_given_back=True)
            task.is_asking = task.state is TaskState.BLOCKED
            if task.state is TaskState.SCHEDULED:
                seconds = ending.backoff_seconds
                task.due = inf if seconds is None else self.now + seconds
                task.is_parked = True
            lease.is_there = bool(self.held(lease))
            written[task.id, lease.id] = (task.state, attempt)
        return written

    def park(self, task: ModelTask, *, seconds: int | None) -> bool:
        """Return whether the task waits, and is set aside; None for without end."""
        if task.lease is not None or task.state in TERMINAL_STATES:
            return False
        if not task.is_parked:
            task.due_before = task.due if task.state is TaskState.SCHEDULED else None
        task.move(Move.PARK)
        task.due = inf if seconds is None else self.now + seconds
        task.is_parked = True
        return True

    def unpark(self, task: ModelTask) -> bool:
        """Return whether the task was set aside, and goes on."""
        if task.state is not TaskState.SCHEDULED or not task.is_parked:
            return False
        task.due = self.now if task.due_before is None else max(self.now, task.due_before)
        task.go_on()
        if task.due <= self.now:
            task.move(Move.LINE_UP if task.is_asking else Move.FALL_DUE)
        return True

    def answer(self, task: ModelTask) -> bool:
        """Return whether the task asked something, and finds the answer."""
        if not task.is_asking or task.state in TERMINAL_STATES:
            return False
        task.is_asking = False
        if task.state is TaskState.BLOCKED:
            task.move(Move.UNBLOCK)
        return True

    def take_back(self, lease: ModelLease, *, queen: int) -> int:
        """Return how many tasks are queued again; none if the lease is not hers to take back."""
        if not lease.is_there or lease.queen != queen or lease.worker is not None:
            return 0
        tasks = self.held(lease)
        for task in tasks:
            outcome = OutcomeName.CANCELLED if task.is_called_off else OutcomeName.RELEASED
            task.end(Move.RELEASE, outcome, is_given_back=True)
        lease.is_there = False
        return sum(task.state is TaskState.QUEUED for task in tasks)

    def cancel(self, task: ModelTask) -> bool:
        """Return whether there was anything to call off."""
        if task.state in TERMINAL_STATES:
            return False
        task.is_called_off = True
        if task.lease is None:
            task.move(Move.CANCEL)
            task.outcome = OutcomeName.CANCELLED
        return True

    def revive(self, task: ModelTask) -> bool:
        """Return whether the task is queued once more."""
        if Move.REVIVE not in MOVES[task.state]:
            return False
        if task.ended_lease is not None and task.outcome is not None:
            task.history.setdefault(task.claims, (task.attempt, task.outcome))
        task.move(Move.REVIVE)
        task.due, task.losses, task.outcome, task.is_called_off = self.now, 0, None, False
        task.is_asking = False
        task.go_on()
        return True

    def lapsed(self) -> set[LeaseId]:
        """Return the leases that the reaper may end."""
        leases = self.leases.values()
        return {lease.id for lease in leases if lease.is_there and lease.expires <= self.now}

    def reap(
        self, lease_ids: Collection[LeaseId]
    ) -> dict[TaskId, tuple[TaskState, OutcomeName | None, int]]:
        """Return what becomes of the tasks of lapsed leases, and which attempt that ends."""
        reaped: dict[TaskId, tuple[TaskState, OutcomeName | None, int]] = {}
        for lease in (self.leases[i] for i in lease_ids):
            lease.is_there = False
            for task in self.held(lease):
                attempt = task.attempt
                task.lose(is_alone=len(lease.members) == 1)
                reaped[task.id] = (task.state, task.outcome, attempt)
        return reaped

    def sweep(self) -> int:
        """Return how many tasks fall due; one parked until now goes back to a later moment."""
        due = [t for t in self.in_state(TaskState.SCHEDULED) if t.due <= self.now]
        for task in due:
            if task.due_before is not None and task.due_before > self.now:
                task.due = task.due_before
            else:
                task.move(Move.LINE_UP if task.is_asking else Move.FALL_DUE)
            task.go_on()
        return len(due)


def first_endings(endings: Sequence[Ending]) -> dict[tuple[TaskId, LeaseId], Ending]:
    """Return the endings that count: the first of each task under each lease."""
    firsts: dict[tuple[TaskId, LeaseId], Ending] = {}
    for ending in endings:
        firsts.setdefault((ending.task_id, ending.lease_id), ending)
    return firsts
