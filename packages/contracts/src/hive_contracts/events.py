"""What is told of tasks: the rows of the event log, and the same facts as live hints on the bus.

The log is the truth and is read by cursor; what comes over the bus is a hint that may be lost. One
`Event` may concern many tasks (a submit of a thousand is one event), so that telling costs per
statement and not per task.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, unique
from typing import Final, TypeAlias

from hive_contracts.conversing import Heard, Said, Shown
from hive_contracts.ids import LeaseId, QueenId, TaskId

__all__ = [
    "CancelRequest",
    "Cursor",
    "Event",
    "EventFrame",
    "EventType",
    "Frame",
    "LeaseChange",
    "LeaseFrame",
    "fields_of",
]

CURSOR: Final = re.compile(r"([0-9]{1,19}):([0-9]{1,19})")


@unique
class EventType(StrEnum):
    """What happened. The values are the labels of the `event_type` enum in SQL."""

    QUEUED = "queued"
    """Tasks were submitted, whether they are due now or later."""

    DISPATCHED = "dispatched"
    """A queen leased tasks."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    """An attempt failed or timed out, and another will be made."""

    RELEASED = "released"
    """An attempt was given back, or its lease ran out before it started."""

    LOST = "lost"
    """An attempt's worker was gone when its lease ran out; the task goes back."""

    CANCEL_REQUESTED = "cancel_requested"
    REVIVED = "revived"
    UNBLOCKED = "unblocked"
    """What a task waited for has come: others' ends, its key's turn, no limit, or an answer."""

    HELD_UP = "held_up"
    """A limit was reached when tasks would have been leased; the reason names it."""

    PARKED = "parked"
    """It was set aside, by itself or by hand; the reason says why."""

    UNPARKED = "unparked"
    """It was let go on, by hand."""

    ASKED = "asked"
    """It asks a person something, and waits for the answer; the reason is the question."""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the event log: everything up to it has been read.

    The transaction id comes first, because ids are given out before transactions commit: an order
    by id alone lets a reader step over a row whose transaction commits late.
    """

    xid: int = 0
    id: int = 0

    def __str__(self) -> str:
        return f"{self.xid}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Return the place that `text` (`XID:ID`) is; None if it is something else."""
        found = CURSOR.fullmatch(text)
        cursor = cls(int(found[1]), int(found[2])) if found else None
        return cursor if cursor is not None and max(cursor.xid, cursor.id) < 2**63 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to some tasks, in one transaction."""

    type: EventType
    task_ids: tuple[TaskId, ...]
    attempts: tuple[int, ...] = ()
    """The attempt of each task, in the order of `task_ids`; empty where there is none yet."""

    reason: str | None = None
    at: datetime | None = None
    """When, by the database's clock; None on a live hint."""

    cursor: Cursor | None = None
    """Its place in the log; None on a live hint."""

    def of(self, task_ids: Collection[TaskId]) -> "Event | None":
        """Return the event with nothing in it but `task_ids`; None if it says nothing of them."""
        places = [place for place, task_id in enumerate(self.task_ids) if task_id in task_ids]
        if len(places) == len(self.task_ids):
            return self
        if not places:
            return None
        return replace(
            self,
            task_ids=tuple(self.task_ids[place] for place in places),
            attempts=tuple(self.attempts[place] for place in places) if self.attempts else (),
        )


def fields_of(event: Event) -> dict[str, object]:
    """Return an event of the log as programs outside see it: in JSON lines and in deliveries."""
    return {
        "cursor": str(event.cursor) if event.cursor else None,
        "at": event.at,
        "type": event.type,
        "task_ids": event.task_ids,
        "attempt": event.attempts[0] if event.attempts else None,
        "reason": event.reason,
    }


@dataclass(frozen=True, slots=True)
class EventFrame:
    """Events that one process tells of at once: one message on the bus."""

    events: tuple[Event, ...]

    def of(self, task_ids: Collection[TaskId]) -> "EventFrame | None":
        """Return the frame with nothing in it but `task_ids`; None if it says nothing of them."""
        events = tuple(kept for event in self.events if (kept := event.of(task_ids)))
        return EventFrame(events) if events else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseChange:
    """How many tasks of a lease are still open, as the row that was written says."""

    lease_id: LeaseId
    queen_id: QueenId
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFrame:
    """What a worker tells the queens after a flush, so that permits return at once."""

    changes: tuple[LeaseChange, ...]
    run_seconds: dict[str, tuple[int, float]]
    """By kind: how many attempts ended, and how long they ran in all, in seconds."""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """These running tasks have been called off; whoever runs them should look now."""

    task_ids: tuple[TaskId, ...]


Frame: TypeAlias = EventFrame | LeaseFrame | CancelRequest | Said | Heard | Shown
