"""A task as it is submitted, as a worker holds it, and as a person sees it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple

from hive_contracts.ids import LeaseId, TaskId, WorkerId
from hive_contracts.retrying import Retry, retry_in
from hive_contracts.states import TaskState

__all__ = [
    "DEFAULT_MAX_ATTEMPTS",
    "DEFAULT_MAX_LOSSES",
    "DEFAULT_QUEUE",
    "LONGEST_UNIQUE",
    "EndedAttempt",
    "IfParentFails",
    "NewTask",
    "ParentResult",
    "Question",
    "Submitted",
    "TaskRecord",
    "UniqueFor",
    "WhenBusy",
    "default_max_attempts",
]

DEFAULT_QUEUE: Final = "default"
DEFAULT_MAX_LOSSES: Final = 3
DEFAULT_MAX_ATTEMPTS: Final = 3
LONGEST_UNIQUE: Final = timedelta(days=30)
"""For so long, at most, a task that has ended may keep others of its unique key out."""

ONE_ATTEMPT_KINDS: Final = frozenset({"agent", "command"})
"""Kinds that act on the world: running one again is the user's decision, not a default."""


def default_max_attempts(kind: str, retry: str | Retry | None = None) -> int:
    """Return how many attempts a task has when its submitter does not say.

    Args:
        kind: its kind.
        retry: its retry policy, which must be one; to have one is to ask for retries.
    """
    if retry is None:
        return 1 if kind in ONE_ATTEMPT_KINDS else DEFAULT_MAX_ATTEMPTS
    policy = retry_in(str(retry))
    return len(policy.delays) + 1 if policy.has_list else DEFAULT_MAX_ATTEMPTS


@unique
class WhenBusy(StrEnum):
    """What is to happen when a task is submitted whose key another task has."""

    WAIT = "wait"
    """It waits until those before it have ended."""

    REPLACE = "replace"
    """Those that wait are cancelled; one that is leased is waited for."""

    REJECT = "reject"
    """It is refused."""

    CANCEL = "cancel"
    """All others are called off, also the one that runs; it starts when nothing of that is left."""


@unique
class IfParentFails(StrEnum):
    """What becomes of a task when one that it comes after fails or is cancelled."""

    CANCEL = "cancel"
    """It is cancelled, and so is what comes after it."""

    RUN = "run"
    """It runs all the same, once all have ended."""


@unique
class UniqueFor(StrEnum):
    """How long an earlier task keeps others of its unique key out."""

    WAITING = "waiting"
    """Until somebody has it."""

    UNFINISHED = "unfinished"
    """Until it has ended."""


class Submitted(NamedTuple):
    """What came of submitting a task."""

    id: TaskId
    is_new: bool
    """False if it is an earlier task of the same unique key, and nothing was added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task that is not yet in the store."""

    kind: str
    """Name of the executor that runs it."""

    payload: Any = field(default_factory=dict[str, Any])
    """The executor's input; anything that JSON can hold, 1 MiB at most."""

    queue: str = DEFAULT_QUEUE
    priority: int = 0
    """0 is most urgent; 32767 is the least."""

    run_at: datetime | None = None
    """Not before this moment (aware); None for now."""

    max_attempts: int | None = None
    """Most attempts that may end in failure, at least 1; None for the kind's default."""

    max_losses: int = DEFAULT_MAX_LOSSES
    """The loss that ends it: a task whose worker died this often is failed. 0: never run again."""

    timeout: timedelta | None = None
    """Longest that one attempt may run; None for no limit."""

    silence_timeout: timedelta | None = None
    """Longest that one attempt may show no sign of life; None for no limit."""

    group: str | None = None
    """What tasks submitted together have in common, to ask for them and act on them as one."""

    key: str | None = None
    """Tasks with the same key never run at the same time, and start in the order submitted."""

    when_busy: str = WhenBusy.WAIT
    """What to do about unfinished tasks of the same key: one of `WhenBusy`."""

    unique_key: str | None = None
    """What tells it from others: while another task of this unique key counts, none is added."""

    unique_for: str | timedelta = UniqueFor.UNFINISHED
    """How long another of its unique key counts: one of `UniqueFor`, or a time since then."""

    expires_at: datetime | None = None
    """Of no use after this moment (aware): if it still waits then, it is cancelled."""

    retry: str | Retry | None = None
    """When and after which failures it is tried again; None for what the worker's settings say."""

    name: str | None = None
    """What tasks behind it in the same submit call it by; it is not stored."""

    after: Sequence[TaskId | str] = ()
    """Ids of the tasks that it comes after, or names of tasks before it in the same submit."""

    if_parent_fails: str = IfParentFails.CANCEL
    """What is to happen if one of those does not succeed: one of `IfParentFails`."""

    needs: tuple[str, ...] = ()
    """Labels that its worker must have, all of them; 16 at most."""

    breaker: str | None = None
    """What it shares with others that meet the same quota, as in "anthropic:team"."""
    slots: int = 1
    """How many slots of its worker it takes while it runs: 1 to 1000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentResult:
    """What became of a task that another comes after, as that one may ask for it."""

    id: TaskId
    state: TaskState
    result: Any
    """Null if it is left out: larger than 1 MiB, or 64 MiB together with those before it."""

    is_left_out: bool
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a task has asked a person, and the answer if there is one."""

    number: int
    """Which of the task's questions it is, from 1."""

    question: str
    options: tuple[str, ...] = ()
    """What may be answered; none if any text may."""

    asked_at: datetime
    answer: str | None = None
    answered_at: datetime | None = None
    answered_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    """How one attempt ended that was not the task's last."""

    claim: int
    """Which lease of the task it was, from 1; attempts that are given back share their number."""

    attempt: int
    outcome: str
    error: str | None
    worker_id: WorkerId | None
    started_at: datetime | None
    ended_at: datetime
    again_at: datetime | None = None
    """When the task was due again after it; None where nothing had been set for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """Everything that the store knows of one task. Moments are the database's."""

    id: TaskId
    kind: str
    queue: str
    group: str | None
    key: str | None = None
    unique_key: str | None = None
    has_turn: bool = False
    """Whether it is the task of its key that may be queued or leased."""

    is_gated: bool = False
    """Whether it waits for tasks that it comes after."""

    payload: Any
    needs: tuple[str, ...] = ()
    breaker: str | None = None
    """What it shares with others that meet the same quota."""

    slots: int = 1
    priority: int
    submitted_priority: int | None = None
    """What it was at first, if waiting has made the task more urgent since."""

    state: TaskState
    attempt: int
    failures: int
    max_attempts: int
    losses: int
    max_losses: int
    retry: str | None = None
    """Its retry policy, as text."""

    timeout: timedelta | None
    silence_timeout: timedelta | None = None
    created_at: datetime
    run_at: datetime
    expires_at: datetime | None = None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    lease_id: LeaseId | None
    lease_expires_at: datetime | None
    worker_id: WorkerId | None
    """Who holds it, or who ended it; None when nobody accepted it yet."""

    worker_host: str | None
    worker_pid: int | None
    result: Any
    error: str | None
    parked_at: datetime | None = None
    """Since when it is set aside; None if it is not. Without an end, `run_at` is `datetime.max`."""

    parked_reason: str | None = None
    asked_at: datetime | None = None
    """Since when it waits for an answer to the last of `questions`; None if it does not."""

    questions: tuple[Question, ...] = ()
    """What it has asked so far, in order."""

    history: tuple[EndedAttempt, ...] = ()
    """Attempts that ended before the current or last one, oldest first."""
