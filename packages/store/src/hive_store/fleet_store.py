"""Who works: the workers and queens that were seen of late, for people to look at."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hive_contracts.ids import QueenId, TaskId, WorkerId
from hive_store.line import Line

__all__ = ["FleetStore", "Running", "SeenQueen", "SeenWorker", "WorkerPlace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """A worker, as it last said of itself."""

    id: WorkerId
    host: str
    pid: int
    version: str
    queues: tuple[str, ...]
    labels: tuple[str, ...] = ()
    slots: int
    held: int
    """How many tasks it has in hand: running, or waiting for a slot."""

    is_draining: bool
    started_at: datetime
    unseen_seconds: float
    stuck: int = 0
    """How much of what it was to stop does not: handlers, and its own loop if that is blocked."""

    stuck_seconds: float | None = None
    """For how long; None if nothing is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenQueen:
    """A queen, as she last said of herself."""

    id: QueenId
    host: str
    pid: int
    version: str
    handed_out: int
    """How many tasks are leased by her and not ended yet."""

    has_term: bool
    """Whether she has the duties that one queen alone has."""

    started_at: datetime
    unseen_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlace:
    """Where a worker is, or was."""

    host: str
    pid: int
    has_left: bool
    """Whether it has signed off; one that died has not."""

    unseen_seconds: float
    stuck: int = 0
    stuck_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """What a worker runs at this moment."""

    count: int
    task_ids: tuple[TaskId, ...]
    """Those that have run longest, some of them if there are many."""


class FleetStore:
    """Reads the registry of workers and queens."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def workers(self, *, seen_within: timedelta) -> list[SeenWorker]:
        """Return the workers seen within that time that have not left, oldest first."""
        return [
            SeenWorker(
                id=WorkerId(row["id"]),
                host=row["host"],
                pid=row["pid"],
                version=row["version"],
                queues=tuple(row["queues"]),
                labels=tuple(row["labels"]),
                slots=row["slots"],
                held=row["held"],
                is_draining=row["is_draining"],
                started_at=row["started_at"],
                unseen_seconds=row["unseen_seconds"],
                stuck=row["stuck"],
                stuck_seconds=row["stuck_seconds"],
            )
            for row in await self._line.fetch("list_workers", seen_within.total_seconds())
        ]

    async def places(self, worker_ids: Iterable[WorkerId]) -> dict[WorkerId, WorkerPlace]:
        """Return where workers are or were: those of them that are not forgotten."""
        return {
            WorkerId(row["id"]): WorkerPlace(
                host=row["host"],
                pid=row["pid"],
                has_left=row["has_left"],
                unseen_seconds=row["unseen_seconds"],
                stuck=row["stuck"],
                stuck_seconds=row["stuck_seconds"],
            )
            for row in await self._line.fetch("read_workers", list(worker_ids))
        }

    async def queens(self, *, seen_within: timedelta) -> list[SeenQueen]:
        """Return the queens seen within that time, oldest first."""
        return [
            SeenQueen(
                id=QueenId(row["id"]),
                host=row["host"],
                pid=row["pid"],
                version=row["version"],
                handed_out=row["handed_out"],
                has_term=row["has_term"],
                started_at=row["started_at"],
                unseen_seconds=row["unseen_seconds"],
            )
            for row in await self._line.fetch("list_queens", seen_within.total_seconds())
        ]

    async def running(self, *, most_tasks: int) -> dict[WorkerId, Running]:
        """Return what each worker runs, naming at most so many tasks of each."""
        return {
            WorkerId(row["worker_id"]): Running(row["running"], tuple(map(TaskId, row["task_ids"])))
            for row in await self._line.fetch("list_running", most_tasks)
        }
