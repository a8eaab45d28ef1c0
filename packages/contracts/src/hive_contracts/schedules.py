"""A schedule: what is submitted again and again, when, and what happens when it cannot be.

A *tick* is a moment at which a schedule falls due. Which moments those are is reckoned in `ticks`;
this module has the words alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final, TypeAlias

from hive_contracts.ids import ScheduleId, TaskId
from hive_contracts.tasks import NewTask

__all__ = [
    "DEFAULT_MAX_MISSED",
    "NOT_OF_TICKS",
    "Cron",
    "Every",
    "Missed",
    "NewSchedule",
    "Once",
    "Overlap",
    "Schedule",
    "ScheduleTick",
    "SkipReason",
    "TickOutcome",
    "When",
]

DEFAULT_MAX_MISSED: Final = 100

_OVERLAP: Final = "what its ticks do to one another is the schedule's overlap"
_ALONE: Final = "each tick is submitted alone, and waits for no other task"
NOT_OF_TICKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run_at": "its ticks say when; use a spread for later",
        "expires_at": "each tick has a moment of its own; use the schedule's expires_in",
        "when_busy": _OVERLAP,
        "unique_key": _OVERLAP,
        "unique_for": _OVERLAP,
        "name": _ALONE,
        "after": _ALONE,
        "if_parent_fails": _ALONE,
    }
)
"""The fields of a new task that the task of a schedule has not, each with the reason."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Whenever the clock on the wall shows what a cron expression says."""

    expression: str
    """Minute, hour, day of month, month and day of week; before them seconds, if there are six."""

    zone: str = "UTC"
    """Where the wall is: an IANA name, as `Europe/Berlin`."""


@dataclass(frozen=True, slots=True)
class Every:
    """At a moment, and each time that an interval has passed since."""

    interval: timedelta
    """At least a second. A day is 24 hours, whatever the clock on the wall does."""

    anchor: datetime | None = None
    """The moment that is counted from (aware); None for when the schedule is added."""


@dataclass(frozen=True, slots=True)
class Once:
    """At one moment, and never again."""

    at: datetime


When: TypeAlias = Cron | Every | Once


@unique
class Missed(StrEnum):
    """What becomes of ticks that fell due while no queen was there to submit them."""

    SKIP = "skip"
    """None is made up for: a tick that is more than a minute late is left out."""

    LAST = "last"
    """The last one is made up for, however many there were."""

    ALL = "all"
    """Each is made up for, the newest `max_missed` of them at most."""


@unique
class Overlap(StrEnum):
    """What becomes of a tick while a task of an earlier one has not ended."""

    ALLOW = "allow"
    """It is submitted all the same."""

    SKIP = "skip"
    """It is left out."""

    QUEUE = "queue"
    """It waits, and is submitted when what was before it has ended."""


@unique
class TickOutcome(StrEnum):
    """What became of a tick."""

    SUBMITTED = "submitted"
    """There is a task of it."""

    WAITING = "waiting"
    """It waits for a task of an earlier tick to end."""

    SKIPPED = "skipped"
    """It was left out; a reason says why."""


@unique
class SkipReason(StrEnum):
    """Why a tick was left out."""

    MISSED = "missed"
    """No queen was there when it fell due, and it was not to be made up for."""

    OVERLAP = "overlap"
    """A task of an earlier tick had not ended."""

    BACKLOG = "backlog"
    """As many ticks waited already as may."""

    REMOVED = "removed"
    """It waited, and its schedule was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule that is not yet in the store."""

    name: str
    """1 to 200 characters without white space; no two schedules share one."""

    when: When
    task: NewTask
    """What each tick submits, without what `NOT_OF_TICKS` names; its group is the schedule's name
    if it has none."""

    missed: Missed = Missed.LAST
    max_missed: int = DEFAULT_MAX_MISSED
    """Most ticks that `Missed.ALL` makes up for at once, and that `Overlap.QUEUE` lets wait."""

    overlap: Overlap = Overlap.SKIP
    spread: timedelta | None = None
    """Tasks start up to so long after their tick, at random; None for at once."""

    expires_in: timedelta | None = None
    """A task that still waits so long after its tick is cancelled; longer than the spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as the store has it. Moments are the database's."""

    id: ScheduleId
    name: str
    when: When
    task: NewTask
    missed: Missed
    max_missed: int
    overlap: Overlap
    spread: timedelta | None
    expires_in: timedelta | None
    created_at: datetime
    paused_at: datetime | None
    since: datetime
    """Ticks count from here: when it was added, changed or resumed."""

    next_at: datetime | None
    """The tick that is submitted next; None if there is none, or no queen has reckoned it yet."""

    is_reckoned: bool
    """Whether a queen has looked at it since it was added, changed or resumed."""

    fault: str | None
    """Why it cannot be reckoned; None if it can."""

    waiting: int
    """How many ticks wait for a task of an earlier one to end."""

    last_tick_at: datetime | None
    """The last tick of which there was a task."""

    last_task_id: TaskId | None
    now: datetime
    """The database's time when this was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTick:
    """What became of one tick."""

    schedule: str
    tick_at: datetime
    said: str
    """The moment in ISO 8601, as the clock on the schedule's wall shows it."""

    outcome: TickOutcome
    reason: SkipReason | None
    count: int
    """How many ticks this tells of, of which it was the last; 1 unless they were missed."""

    task_id: TaskId | None
    is_extra: bool
    """Whether somebody asked for it, and no clock."""

    decided_at: datetime
