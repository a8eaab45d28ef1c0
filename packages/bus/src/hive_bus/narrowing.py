"""Cut event frames down to the tasks that a reader asked for."""

from collections.abc import Collection
from dataclasses import replace

from hive_contracts.events import Event, EventFrame
from hive_contracts.ids import TaskId

__all__ = ["narrow"]


def narrow(frame: EventFrame, task_ids: Collection[TaskId]) -> EventFrame | None:
    """Return `frame` with nothing in it but `task_ids`; None if it says nothing of them."""
    events = tuple(kept for event in frame.events if (kept := _narrow_event(event, task_ids)))
    return EventFrame(events) if events else None


def _narrow_event(event: Event, task_ids: Collection[TaskId]) -> Event | None:
    places = [place for place, task_id in enumerate(event.task_ids) if task_id in task_ids]
    if len(places) == len(event.task_ids):
        return event
    if not places:
        return None
    return replace(
        event,
        task_ids=tuple(event.task_ids[place] for place in places),
        attempts=tuple(event.attempts[place] for place in places) if event.attempts else (),
    )
