"""Events in print: a line of 80 columns for people, a line of JSON for programs."""

from typing import Final

from hive.moments import show_moment
from hive.printing import as_json
from hive.tables import columns, cut
from hive.words import counted, some_of
from hive_contracts.events import Event, fields_of
from hive_process.screen_text import one_line

__all__ = ["as_json_line", "as_line"]

TYPE_COLUMNS: Final = 16


def as_line(event: Event) -> str:
    """Return an event for people: when, what, which tasks, and why, as far as there is room."""
    when = show_moment(event.at) if event.at else "unknown"
    attempt = f", attempt {event.attempts[0]}" if event.attempts else ""
    reason = f": {one_line(event.reason)}" if event.reason else ""
    return cut(f"{when}  {event.type:<{TYPE_COLUMNS}}  {_tasks(event)}{attempt}{reason}", columns())


def as_json_line(event: Event) -> str:
    """Return an event for programs, whole; `--cursor` with its cursor goes on behind it."""
    return as_json(fields_of(event))


def _tasks(event: Event) -> str:
    if len(event.task_ids) == 1:
        return f"task {event.task_ids[0]}"
    return f"{counted(len(event.task_ids), 'task')}: {some_of(event.task_ids)}"
