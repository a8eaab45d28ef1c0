"""What the event log says of the demonstration's tasks: the independent witness of its claims."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from hive_contracts.events import Event, EventType
from hive_contracts.ids import TaskId

__all__ = ["Ledger"]

ENDS: Final = frozenset({EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELLED})
RAN_OUT: Final = "its lease ran out"
"""How the reason of a release begins that no living worker made."""


class Ledger:
    """Counts what the log tells, event by event."""

    def __init__(self) -> None:
        self.ends: Counter[TaskId] = Counter()
        """How often each task ended; it must be once."""

        self.failed = 0
        self.running: set[TaskId] = set()
        """Tasks whose start is written; calls that end within 100 ms never are among them."""

        self.recovered: set[TaskId] = set()
        """Tasks that were taken back from a worker that was gone."""

    @property
    def done(self) -> int:
        """How many tasks have ended."""
        return len(self.ends)

    @property
    def accepted_twice(self) -> int:
        """How many tasks have more than one end."""
        return sum(count > 1 for count in self.ends.values())

    def take(self, events: Iterable[Event]) -> None:
        """Take in the next events of the log."""
        for event in events:
            for task_id in event.task_ids:
                self._take_one(event, task_id)

    def _take_one(self, event: Event, task_id: TaskId) -> None:
        if event.type is EventType.STARTED:
            self.running.add(task_id)
            return
        if event.type in (EventType.QUEUED, EventType.DISPATCHED):
            return
        self.running.discard(task_id)
        if event.type in ENDS:
            self.ends[task_id] += 1
            self.failed += event.type is EventType.FAILED
        elif event.type is EventType.LOST or (event.reason or "").startswith(RAN_OUT):
            self.recovered.add(task_id)
