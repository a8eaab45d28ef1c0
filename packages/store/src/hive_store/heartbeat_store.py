"""What a worker's heartbeat asks of Postgres, on a line of its own: it beats in another thread."""

from collections.abc import Sequence
from datetime import timedelta

from hive_contracts.ids import LeaseId, TaskId, WorkerId
from hive_store.line import Line

__all__ = ["HeartbeatStore"]


class HeartbeatStore:
    """The statements of one worker's heartbeat."""

    def __init__(self, worker_id: WorkerId, line: Line) -> None:
        self._worker_id = worker_id
        self._line = line

    async def see(
        self,
        *,
        host: str,
        pid: int,
        version: str,
        queues: Sequence[str],
        slots: int,
        is_draining: bool,
        takes_bundles: bool = True,
        stuck: int = 0,
        labels: Sequence[str] = (),
    ) -> None:
        """Say that the worker lives, what it serves and has, and whether queens may count on it.

        `stuck` is how much of what it was to stop does not.
        """
        await self._line.fetch(
            "see_worker",
            self._worker_id,
            host,
            pid,
            version,
            list(queues),
            slots,
            is_draining,
            takes_bundles,
            stuck,
            list(labels),
        )

    async def check_schema(self) -> None:
        """See that this Hive may still work with the database's schema; raises as `Line` does."""
        await self._line.check_schema()

    async def renew(self, lease_ids: Sequence[LeaseId], *, lease: timedelta) -> set[LeaseId]:
        """Prolong leases; return those still held."""
        rows = await self._line.fetch(
            "renew_leases", self._worker_id, list(lease_ids), lease.total_seconds()
        )
        return {LeaseId(row["id"]) for row in rows}

    async def cancel_requests(self, task_ids: Sequence[TaskId]) -> list[TaskId]:
        """Return those of the tasks that have been called off."""
        rows = await self._line.fetch("list_cancel_requests", list(task_ids))
        return [TaskId(row["id"]) for row in rows]
