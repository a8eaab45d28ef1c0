"""What statements of a queen find: what they moved, whose leases there are, who can run what."""

from dataclasses import dataclass
from datetime import datetime

from hive_contracts.events import Cursor
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState

__all__ = [
    "CalledOff",
    "Capacity",
    "Expired",
    "Gates",
    "Grants",
    "OpenCount",
    "OwnLease",
    "ReapedTask",
    "Swept",
]


@dataclass(frozen=True, slots=True)
class Swept:
    """What the sweep of due tasks found."""

    count: int
    next_seconds: float | None
    """When the next task is due; None if none waits for its time."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Which tasks were cancelled because they had waited for too long."""

    ids: tuple[TaskId, ...]
    next_seconds: float | None
    """When the next one expires; None if none that waits does."""

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Grants:
    """What became of keys that were woken."""

    taken: int
    """How many wake-ups are done with; after none there is nothing more to grant now."""

    granted: int


@dataclass(frozen=True, slots=True)
class Gates:
    """What became of tasks that may have waited for others long enough."""

    taken: int
    """How many wake-ups were done with; after none there is nothing more to release now."""

    queued: int
    cancelled: tuple[TaskId, ...]
    """Those that were called off because one that they come after did not succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapedTask:
    """A task whose lease had lapsed."""

    id: TaskId
    state: TaskState
    outcome: OutcomeName
    attempt: int
    lease_id: LeaseId
    queue: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLease:
    """A lease that this queen granted."""

    id: LeaseId
    queue: str
    """The line of its tasks: the queue's name, unless they need labels or several slots
    (`line_of`)."""

    open: int
    size: int
    is_unaccepted: bool
    is_silent: bool
    """Whether the worker that accepted it has not been seen of late."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Who lives, and what the living workers can run."""

    queens: int
    total_slots: int
    """Slots of all workers; those of one that serves several queues are counted once."""

    workers: dict[str, int]
    """By queue, or line of one: how many workers serve it."""

    slots: dict[str, int]
    """By queue, or line of one: how many slots these workers have in all."""


@dataclass(frozen=True, slots=True)
class OpenCount:
    """How many tasks of a queue are in a state that is not the end."""

    queue: str
    state: TaskState
    count: int
    oldest_run_at: datetime | None
    """For queued tasks: when the one that waits longest fell due."""

    parked: int = 0
    """For scheduled tasks: how many of them are parked."""

    asking: int = 0
    """For blocked and scheduled tasks: how many of them wait for an answer."""


@dataclass(frozen=True, slots=True)
class CalledOff:
    """What some of the event log says of tasks that were called off before anybody had them."""

    counts: dict[tuple[str, str], int]
    """By queue and kind."""

    cursor: Cursor
    """The end of the stretch."""

    is_more: bool
    """Whether the log goes on behind it."""
