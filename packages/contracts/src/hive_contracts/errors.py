r"""Everything that Hive raises on purpose.

HiveError
├── UsageError                 the caller is wrong; fix the code, the input or the configuration
│   ├── BrokenSealError
│   ├── ConfigurationError
│   ├── IllegalMoveError
│   ├── LostEventsError
│   ├── MalformedMessageError
│   ├── MalformedPayloadError
│   ├── RefusedScheduleError
│   ├── RefusedTaskError
│   ├── RefusedWorkspaceError
│   ├── SchemaMismatchError
│   ├── UnknownKindError
│   ├── UnknownScheduleError
│   ├── UnknownTaskError
│   └── UnstorableValueError
├── LostRaceError              somebody else got there first; let go, touch nothing
│   ├── LostNameError
│   ├── OpenBreakerError
│   ├── SpentBudgetError
│   └── StaleLeaseError
├── UnavailableError           something outside did not answer; wait and try again
│   ├── BusUnavailableError
│   ├── BusyWorkspaceError
│   ├── HeldTaskError
│   ├── ServiceUnavailableError
│   ├── StoreUnavailableError
│   └── UnclaimableLineError
└── TaskFailedError            a task did not succeed, and its caller asked to be told so

The first three branches are the three things a caller can do: stop, let go, try again. A task's own
failure is none of them: it is a value, `outcomes.Failed`, and is raised for who asks for it alone.
"""

from collections.abc import Sequence
from datetime import datetime

from hive_contracts.events import Cursor
from hive_contracts.ids import LeaseId, TaskId

__all__ = [
    "BrokenSealError",
    "BusUnavailableError",
    "BusyWorkspaceError",
    "ConfigurationError",
    "HeldTaskError",
    "HiveError",
    "IllegalMoveError",
    "LostEventsError",
    "LostNameError",
    "LostRaceError",
    "MalformedMessageError",
    "MalformedPayloadError",
    "OpenBreakerError",
    "RefusedScheduleError",
    "RefusedTaskError",
    "RefusedWorkspaceError",
    "SchemaMismatchError",
    "ServiceUnavailableError",
    "SpentBudgetError",
    "StaleLeaseError",
    "StoreUnavailableError",
    "TaskFailedError",
    "UnavailableError",
    "UnclaimableLineError",
    "UnknownKindError",
    "UnknownScheduleError",
    "UnknownTaskError",
    "UnstorableValueError",
    "UsageError",
]


class HiveError(Exception):
    """Base of every error that Hive raises on purpose."""


class UsageError(HiveError):
    """The caller is wrong. Retrying the same call cannot help."""


class BrokenSealError(UsageError):
    """A payload or result that is not signed as it must be, was altered, or does not decrypt."""


class ConfigurationError(UsageError):
    """A setting is missing, malformed, or contradicts another."""


class IllegalMoveError(UsageError):
    """A move that cannot happen in the task's state."""

    def __init__(self, state: str, move: str) -> None:
        super().__init__(f"a {state} task cannot {move}")
        self.state = state
        self.move = move


class LostEventsError(UsageError):
    """The event log no longer holds all that came behind a cursor, or never held the cursor."""

    def __init__(self, reason: str, *, go_on_at: Cursor) -> None:
        super().__init__(reason)
        self.go_on_at = go_on_at
        """The cursor from which on nothing is missing."""


class MalformedMessageError(UsageError):
    """Bytes from the bus or from a bundle that this Hive does not understand."""


class MalformedPayloadError(UsageError):
    """A payload that its kind refuses; the message names the field."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"the payload does not suit kind {kind!r}: {reason}")
        self.kind = kind
        self.reason = reason


class RefusedScheduleError(UsageError):
    """A schedule that may not be added as it stands; the message names the value."""


class RefusedTaskError(UsageError):
    """A task that may not be submitted as it stands; the message names the field and its value."""


class RefusedWorkspaceError(UsageError):
    """A workspace cannot be made, or treated, as it was asked for; the message says why."""


class SchemaMismatchError(UsageError):
    """The database's schema is not the one that this Hive was made for."""


class UnknownKindError(UsageError):
    """No installed package registers an executor of this kind."""

    def __init__(self, kind: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no executor for kind {kind!r}; installed: {', '.join(known) or 'none'}")
        self.kind = kind
        self.known = known


class UnknownScheduleError(UsageError):
    """There is no schedule of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no schedule {name!r}; `hive schedule list` names those there are"
        )
        self.name = name


class UnknownTaskError(UsageError):
    """There is no task with this id."""

    def __init__(self, task_id: TaskId) -> None:
        super().__init__(f"there is no task {task_id}")
        self.task_id = task_id


class UnstorableValueError(UsageError):
    """A value that JSON or Postgres cannot hold: NaN, an infinity, a NUL, a lone surrogate."""


class LostRaceError(HiveError):
    """Another process moved first. The caller owns nothing here any more."""


class LostNameError(LostRaceError):
    """Another process has taken the subscriber's name; what is handled here is not noted."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another process reads as subscriber {name!r} now: this one was not heard of for long"
        )
        self.name = name


class OpenBreakerError(LostRaceError):
    """The task may not begin: its breaker was opened after it was claimed."""

    def __init__(self, task_id: TaskId, breaker: str) -> None:
        super().__init__(f"breaker {breaker} is open")
        self.task_id = task_id
        self.breaker = breaker


class SpentBudgetError(LostRaceError):
    """The task may not begin: a budget that it is under is used up."""

    def __init__(self, task_id: TaskId, reason: str, until: datetime | None) -> None:
        super().__init__(reason)
        self.task_id = task_id
        self.reason = reason
        self.until = until
        """When there is a new one; None if it has to be raised."""


class StaleLeaseError(LostRaceError):
    """The lease that the caller names is no longer the task's."""

    def __init__(self, task_id: TaskId, lease_id: LeaseId) -> None:
        super().__init__(f"task {task_id} is no longer held under lease {lease_id}")
        self.task_id = task_id
        self.lease_id = lease_id


class UnavailableError(HiveError):
    """Something outside Hive did not answer. Safe to try again after a pause."""


class StoreUnavailableError(UnavailableError):
    """Postgres refused, dropped, or timed out the connection."""


class UnclaimableLineError(UnavailableError):
    """In a line of tasks is a row that breaks a rule of the schema; nobody can claim from it."""


class BusUnavailableError(UnavailableError):
    """Redis refused, dropped, or timed out the connection."""


class BusyWorkspaceError(UnavailableError):
    """A workspace is in somebody's hands just now, or on another machine."""


class HeldTaskError(UnavailableError):
    """Another transaction held tasks for too long; to the others it was done."""

    def __init__(self, task_ids: Sequence[TaskId]) -> None:
        more = f" and {len(task_ids) - 1} more" if len(task_ids) > 1 else ""
        holds = f"another transaction holds task {task_ids[0]}{more}"
        super().__init__(f"{holds} (`hive doctor` may name it); try again")
        self.task_ids = tuple(task_ids)


class ServiceUnavailableError(UnavailableError):
    """An embedded Postgres or Redis did not start, or is not there."""


class TaskFailedError(HiveError):
    """A task has ended otherwise than with success."""

    def __init__(self, task_id: TaskId, state: str, error: str | None, result: object) -> None:
        how = f"was {state}" if state == "cancelled" else state
        super().__init__(f"task {task_id} {how}" + (f": {error}" if error else ""))
        self.task_id = task_id
        self.state = state
        self.error = error
        self.result = result
        """What there is to keep of a failure (a command's exit code), or None."""
