"""Which events are wanted of all that the log holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hive.tasks.choosing import read_words
from hive.tasks.reaching import View
from hive_contracts.events import Event, EventType
from hive_contracts.ids import TaskId
from hive_store import EventFilter

__all__ = ["Sieve", "read_types"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """Lets events pass that fit everything that is given."""

    wanted: EventFilter = field(default_factory=EventFilter)
    since: datetime | None = None
    """Not before this moment."""

    until: datetime | None = None
    """Before this moment."""

    @property
    def task_id(self) -> TaskId | None:
        """The only task that is wanted; None if it is not one alone."""
        return next(iter(self.wanted.task_ids), None)

    async def pick(self, view: View, events: Sequence[Event]) -> list[Event]:
        """Return what fits of the events, in their order."""
        in_time = [event for event in events if self._is_in_time(event.at)]
        return await self.wanted.pick(view.selector, in_time)

    def _is_in_time(self, at: datetime | None) -> bool:
        if at is None:
            return True
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def read_types(text: str | None) -> frozenset[EventType]:
    """Return the types that `text` names, with commas between them; none if it is None.

    Raises:
        ConfigurationError: one of them is no type of event; the message names those there are.
    """
    return read_words(text, EventType, flag="--type", noun="type of event")
