"""Ids of tasks as callers give them: which are none at all, and which no task can have."""

from collections.abc import Iterable
from numbers import Integral

from hive_contracts.errors import UsageError
from hive_contracts.ids import LAST_TASK_ID, TaskId

__all__ = ["checked_ids", "possible_ids"]


def checked_ids(task_ids: Iterable[TaskId]) -> list[TaskId]:
    """Return the ids.

    Raises:
        UsageError: one is no whole number.
    """
    ids = list(task_ids)
    if set(map(type, ids)) - {int}:
        for task_id in ids:
            _refuse_other_than_a_whole_number(task_id)
    return ids


def possible_ids(task_ids: Iterable[TaskId]) -> list[TaskId]:
    """Return those that a task can have: of others there is no task, and that is no error.

    Raises:
        UsageError: one is no whole number.
    """
    return [task_id for task_id in checked_ids(task_ids) if abs(task_id) <= LAST_TASK_ID]


def _refuse_other_than_a_whole_number(task_id: object) -> None:
    # For Python, True is a whole number.
    if isinstance(task_id, bool) or not isinstance(task_id, Integral):
        raise UsageError(f"the id of a task is a whole number, not {task_id!r}")
