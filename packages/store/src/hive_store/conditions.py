"""What a new task waits for beside its time and its place in the queue.

Most tasks have no conditions, and pay nothing for them: they go in by a statement that knows none.
Those of the others travel as one JSON object a task (`submit_conditional_tasks.sql`).
"""

from datetime import timedelta
from operator import attrgetter
from typing import Any, Final

from hive_contracts.tasks import NewTask
from hive_contracts.wire import encode_json

__all__ = ["conditions_of"]

CONDITIONS: Final = ("key", "expires_at", "unique_key", "unique_for")
"""The fields of a new task that are conditions; each is null, or as it is if there is none."""

_values_of: Final = attrgetter(*CONDITIONS)
_NONE: Final = _values_of(NewTask(kind="none"))


def conditions_of(task: NewTask) -> str | None:
    """Return the conditions of a task as a JSON object; None if it has none."""
    values = _values_of(task)
    if values == _NONE:
        return None
    given: dict[str, Any] = dict(zip(CONDITIONS, values, strict=True))
    if isinstance(task.unique_for, timedelta):
        given["unique_for"] = f"{task.unique_for.total_seconds()} seconds"
    return encode_json({name: value for name, value in given.items() if value is not None})
