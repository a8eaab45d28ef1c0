"""How many connections to Postgres each process holds, and how many more the server has room for.

The numbers are those of a process at work, counted by `tests/system/test_connections.py`. None of
them grows with slots or tasks.
"""

from dataclasses import dataclass
from typing import Final

from hive_store.line import Line

__all__ = [
    "QUEEN_CONNECTIONS",
    "SYNC_WORKER_CONNECTIONS",
    "WORKER_CONNECTIONS",
    "ConnectionBudget",
    "read_budget",
]

QUEEN_CONNECTIONS: Final = 3
"""Claims, upkeep, and the bell that submits ring."""

WORKER_CONNECTIONS: Final = 3
"""Accepts, outcomes, and the heartbeat; one more from the first task with a workspace on."""

SYNC_WORKER_CONNECTIONS: Final = 4
"""Claims, outcomes, the heartbeat, and the bell."""

LIVING_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionBudget:
    """What a server has to give, and what this Hive takes."""

    available: int
    """How many connections may be open at once by others than administrators."""

    open: int
    """How many are, whoever has them."""

    queens: int
    workers: int
    sync_workers: int

    @property
    def needed(self) -> int:
        """How many the queens and workers that are at work need."""
        return (
            self.queens * QUEEN_CONNECTIONS
            + self.workers * WORKER_CONNECTIONS
            + self.sync_workers * SYNC_WORKER_CONNECTIONS
        )

    @property
    def more_workers(self) -> int:
        """How many worker processes more the server has room for."""
        # A process that has just lost its connections will want them back.
        free = self.available - max(self.open, self.needed)
        return max(0, free // WORKER_CONNECTIONS)


async def read_budget(line: Line) -> ConnectionBudget:
    """Return how it stands with the server's connections; raises as `Line` does."""
    [row] = await line.fetch("count_connections", LIVING_SECONDS)
    return ConnectionBudget(
        available=row["available"],
        open=row["open"],
        queens=row["queens"],
        workers=row["workers"],
        sync_workers=row["sync_workers"],
    )
