"""Which leases this worker holds, and which of their tasks it has not ended yet.

The heartbeat, in a thread of its own, asks for the leases; everything else happens in the loop.
"""

from collections.abc import Iterable
from threading import Lock

from hive_contracts.ids import LeaseId, TaskId

__all__ = ["Holdings"]


class Holdings:
    """The leases in hand."""

    def __init__(self) -> None:
        self._open: dict[LeaseId, set[TaskId]] = {}
        self._lock = Lock()

    def take(self, lease_id: LeaseId, task_ids: set[TaskId]) -> None:
        """Hold a lease whose tasks are still to be ended."""
        with self._lock:
            self._open.setdefault(lease_id, set()).update(task_ids)

    def ended(self, tasks: Iterable[tuple[LeaseId, TaskId]]) -> None:
        """Let go of tasks; with its last task, of a lease."""
        with self._lock:
            for lease_id, task_id in tasks:
                held = self._open.get(lease_id)
                if held is not None:
                    held.discard(task_id)
                    if not held:
                        del self._open[lease_id]

    def drop(self, lease_id: LeaseId) -> None:
        """Let go of a lease that is no longer ours."""
        with self._lock:
            self._open.pop(lease_id, None)

    def holds(self, lease_id: LeaseId) -> bool:
        """Return whether the lease is in hand."""
        return lease_id in self._open

    @property
    def open_tasks(self) -> int:
        """How many tasks are not known to have ended."""
        return sum(map(len, self._open.values()))

    def lease_ids(self) -> list[LeaseId]:
        """Return the leases in hand. Any thread may ask."""
        with self._lock:
            return list(self._open)
