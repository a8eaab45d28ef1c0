"""Which events are wanted of all that the log holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hive.tasks.choosing import read_words
from hive.tasks.reaching import View
from hive_contracts.events import Event, EventType
from hive_contracts.ids import TaskId

__all__ = ["Sieve", "read_types"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """Lets events pass that fit everything that is given."""

    types: frozenset[EventType] = frozenset()
    """Of one of these; empty for any."""

    task_id: TaskId | None = None
    group: str | None = None
    """At least one of its tasks belongs to this group."""

    moment: datetime | None = None
    """Not before this moment."""

    async def pick(self, view: View, events: Sequence[Event]) -> list[Event]:
        """Return those of the events that fit, in their order."""
        fitting = [event for event in events if self._fits(event)]
        if self.group is None or not fitting:
            return fitting
        concerned = {task_id for event in fitting for task_id in event.task_ids}
        members = await view.selector.members(self.group, list(concerned))
        return [event for event in fitting if not members.isdisjoint(event.task_ids)]

    def _fits(self, event: Event) -> bool:
        if self.types and event.type not in self.types:
            return False
        if self.moment is not None and event.at is not None and event.at < self.moment:
            return False
        return self.task_id is None or self.task_id in event.task_ids


def read_types(text: str | None) -> frozenset[EventType]:
    """Return the types that `text` names, with commas between them; none if it is None.

    Raises:
        ConfigurationError: one of them is no type of event; the message names those there are.
    """
    return read_words(text, EventType, flag="--type", noun="type of event")
