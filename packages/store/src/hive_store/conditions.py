"""What a new task waits for beside its time and its place, whom it needs, and limits that few have.

Most tasks have none of it, and pay nothing for it: they go in by a statement that knows none.
Those of the others travel as one JSON object a task (`submit_conditional_tasks.sql`).
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import Any, Final

from hive_contracts.errors import RefusedTaskError
from hive_contracts.ids import TaskId
from hive_contracts.labels import joined
from hive_contracts.retrying import retry_in
from hive_contracts.tasks import NewTask
from hive_contracts.wire import encode_json
from hive_store.circles import find_circle, in_words

__all__ = ["Names", "conditions_of", "has_conditions"]

CONDITIONS: Final = (
    "key",
    "expires_at",
    "unique_key",
    "unique_for",
    "retry",
    "after",
    "if_parent_fails",
    "silence_timeout",
    "needs",
)
"""The fields of a new task that are conditions; each is null, or as it is if there is none."""

_values_of: Final = attrgetter(*CONDITIONS)
_NONE: Final = _values_of(NewTask(kind="none"))


class Names:
    """What the tasks of one submit are called, for those that come after them.

    The tasks go in by batches: of one that is in the id is known, of the others the place.
    """

    def __init__(self, tasks: Iterable[NewTask] = ()) -> None:
        """Know of no names yet; `tasks` are all of the submit, to say what is wrong with one."""
        self._tasks = tasks
        self._ids: dict[str, TaskId] = {}
        self._places: dict[str, int] = {}

    def give(self, name: str, place: int) -> None:
        """Remember what a task is called, and its place in its batch, from 1.

        Raises:
            RefusedTaskError: another task of the submit has the name.
        """
        if name in self._ids or name in self._places:
            raise RefusedTaskError(f"two tasks of one submit have the name {name!r}")
        self._places[name] = place

    def batch_is_in(self, ids: Sequence[TaskId]) -> None:
        """Learn the ids of the batch, in the order of its places."""
        self._ids |= {name: ids[place - 1] for name, place in self._places.items()}
        self._places.clear()

    def parents_of(self, task: NewTask) -> dict[str, list[int]]:
        """Return what a task comes after: `after` by id, `after_places` by place in its batch.

        Raises:
            RefusedTaskError: a name is that of no task before it.
        """
        ids: set[int] = set()
        places: set[int] = set()
        for parent in task.after:
            if not isinstance(parent, str):
                ids.add(parent)
            elif parent in self._ids:
                ids.add(self._ids[parent])
            elif parent in self._places:
                places.add(self._places[parent])
            else:
                raise RefusedTaskError(self._why_not(parent))
        found = {"after": sorted(ids), "after_places": sorted(places)}
        return {name: parents for name, parents in found.items() if parents}

    def _why_not(self, parent: str) -> str:
        after = {task.name: task.after for task in self._tasks if task.name is not None}
        if circle := find_circle(parent, after):
            return in_words(circle)
        return (
            f"a task comes after {parent!r}, but no task before it in the same submit has that name"
        )


def has_conditions(task: NewTask) -> bool:
    """Return whether a task waits for more than its time."""
    return _values_of(task) != _NONE


def conditions_of(task: NewTask, names: Names) -> str | None:
    """Return the conditions of a task as a JSON object; None if it has none.

    Raises:
        RefusedTaskError: it comes after a name that no task before it has.
    """
    values = _values_of(task)
    if values == _NONE:
        return None
    given: dict[str, Any] = dict(zip(CONDITIONS, values, strict=True))
    if task.retry is not None:
        given["retry"] = str(retry_in(str(task.retry)))
    for name in ("unique_for", "silence_timeout"):
        if isinstance(length := given[name], timedelta):
            given[name] = f"{length.total_seconds()} seconds"
    given["needs"] = joined(task.needs) or None
    del given["after"]
    given = {name: value for name, value in given.items() if value is not None}
    return encode_json(given | names.parents_of(task))
