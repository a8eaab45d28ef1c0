"""Finished tasks leave, batch by batch, once they have been kept for as long as they are to be.

A walk goes over the tasks in the order of their ids. It is over when it comes to tasks that are too
young to be due, and the next one begins at the first task that stayed.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hive_contracts.ids import TaskId
from hive_contracts.retaining import Retention
from hive_contracts.states import TaskState
from hive_store.line import Line

__all__ = ["BATCH_ROWS", "LOOK_TASKS", "PrunedBatch", "Pruner"]

LOOK_TASKS: Final = 5000
"""How many tasks a batch looks at: 4 ms of Postgres if all are young, 8 if rules keep them."""

BATCH_ROWS: Final = 1000
"""How many rows a batch deletes, of all tables together: 20 ms of Postgres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedBatch:
    """What one batch came to."""

    counts: Counter[tuple[str, TaskState]]
    """How many tasks went, by queue and state."""

    last_id: TaskId
    """Where the next batch goes on."""

    is_over: bool
    """Whether the walk is: nothing further on is due."""

    first_kept_id: TaskId | None
    """The first of the tasks looked at that stayed; None if all went, or there were none."""

    oldest_finished_at: datetime | None
    """When the first to finish of those that stayed did; None if none of them has."""

    overdue_seconds: float
    """For how long the most overdue of those that went was due; 0 if none went."""


class Pruner:
    """Deletes finished tasks over a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def prune(
        self,
        retention: Retention,
        *,
        after: TaskId | None = None,
        as_of: datetime | None = None,
        is_dry: bool = False,
        row_limit: int = BATCH_ROWS,
    ) -> PrunedBatch:
        """Delete one batch of what is due; return what came of it.

        Args:
            retention: what is kept for how long.
            after: where the last batch ended; None to begin a walk.
            as_of: the moment from which tasks are due; None for now.
            is_dry: only count.
            row_limit: most rows to delete, at least 1. One task's rows go together.
        """
        rules = retention.rules
        rows = await self._line.fetch(
            "prune_tasks",
            after or 0,
            LOOK_TASKS,
            row_limit,
            [rule.queue for rule in rules],
            [rule.kind for rule in rules],
            [rule.state for rule in rules],
            [None if rule.keep is None else rule.keep.total_seconds() for rule in rules],
            as_of,
            is_dry,
        )
        *gone, end = sorted(rows, key=lambda row: row["is_over"] is not None)
        first_kept = end["first_kept_id"]
        return PrunedBatch(
            counts=Counter({(row["queue"], TaskState(row["state"])): row["count"] for row in gone}),
            last_id=TaskId(end["last_id"] or after or 0),
            is_over=end["is_over"],
            first_kept_id=None if first_kept is None else TaskId(first_kept),
            oldest_finished_at=end["oldest_finished_at"],
            overdue_seconds=end["overdue_seconds"] or 0.0,
        )

    async def oldest_finished_age(self) -> float | None:
        """Return how many seconds ago the first finished task that is kept ended; None: none is."""
        rows = await self._line.fetch("find_oldest_finished")
        return rows[0]["age_seconds"] if rows else None
