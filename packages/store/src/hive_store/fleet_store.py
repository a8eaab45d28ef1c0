"""Who works: the workers that were seen of late, for people to look at."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hive_contracts.ids import WorkerId
from hive_store.line import Line

__all__ = ["FleetStore", "SeenWorker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """A worker, as it last said of itself."""

    id: WorkerId
    host: str
    pid: int
    version: str
    queues: tuple[str, ...]
    slots: int
    held: int
    """How many tasks it has in hand: running, or waiting for a slot."""

    is_draining: bool
    started_at: datetime
    unseen_seconds: float


class FleetStore:
    """Reads the registry of workers."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def workers(self, *, seen_within: timedelta) -> list[SeenWorker]:
        """Return the workers seen within that time, oldest first."""
        return [
            SeenWorker(
                id=WorkerId(row["id"]),
                host=row["host"],
                pid=row["pid"],
                version=row["version"],
                queues=tuple(row["queues"]),
                slots=row["slots"],
                held=row["held"],
                is_draining=row["is_draining"],
                started_at=row["started_at"],
                unseen_seconds=row["unseen_seconds"],
            )
            for row in await self._line.fetch("list_workers", seen_within.total_seconds())
        ]
