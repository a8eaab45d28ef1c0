"""Which events are wanted of all that the log holds, and of those that list tasks, which tasks.

The log knows types and tasks. Group, queue and kind are the task's, and are asked of its row: once
for a page of events.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hive_contracts.events import Event
from hive_contracts.ids import TaskId
from hive_store.selector import Selector

__all__ = ["EventFilter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Lets events pass that fit everything that is given; what is not given, any event fits."""

    types: frozenset[str] = frozenset()
    """Of one of these; empty for any."""

    task_ids: frozenset[TaskId] = frozenset()
    """Of one of these; empty for any."""

    group: str | None = None
    queue: str | None = None
    kind: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether any event fits."""
        return self == EventFilter()

    async def pick(self, selector: Selector, events: Sequence[Event]) -> list[Event]:
        """Return what fits, in its order; of an event that lists many tasks, those that do."""
        fitting = [event for event in events if not self.types or event.type in self.types]
        if self.task_ids:
            fitting = _narrowed(fitting, self.task_ids)
        if not fitting or (self.group, self.queue, self.kind) == (None, None, None):
            return fitting
        concerned = {task_id for event in fitting for task_id in event.task_ids}
        members = await selector.members(
            list(concerned), group=self.group, queue=self.queue, kind=self.kind
        )
        return _narrowed(fitting, members)


def _narrowed(events: Sequence[Event], task_ids: Collection[TaskId]) -> list[Event]:
    return [kept for event in events if (kept := event.of(task_ids))]
