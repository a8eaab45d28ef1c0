"""How often a model's process has died under each task, as this worker has seen it.

A task is given back for other reasons too (a worker that stops, a slot that is not free), so that
how often it was says nothing about what it does to processes. Other workers count for themselves.
"""

from typing import Final

__all__ = ["Losses"]

_MOST_TASKS: Final = 1_000
"""A task of which nothing was heard for so many others is forgotten."""


class Losses:
    """Counts by task, of the latest tasks that lost a process."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many tasks are known."""
        return len(self._counts)

    def add(self, task_id: int) -> int:
        """Count one more; return how many there are now."""
        count = self._counts.pop(task_id, 0) + 1
        self._counts[task_id] = count
        if len(self._counts) > _MOST_TASKS:
            del self._counts[next(iter(self._counts))]
        return count

    def forget(self, task_id: int) -> None:
        """Count from 0 again: the task has come through."""
        self._counts.pop(task_id, None)
