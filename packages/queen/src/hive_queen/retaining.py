"""Delete finished tasks once they have been kept long enough: one queen for all, a batch at a time.

A walk over the tasks goes on batch by batch, and pauses after each for a multiple of the time that
it took: catching up takes its share of the server and no more. What was deleted leaves entries in
the index until vacuum comes by, so a walk begins at what was the first task to stay an hour ago: a
transaction that is open for less than that adds no task below it. Nothing is remembered elsewhere:
a queen that takes over walks from the beginning.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final, Never

from hive_contracts.clocks import Clock
from hive_contracts.ids import TaskId
from hive_contracts.retaining import Retention
from hive_store.pruning import PrunedBatch, Pruner
from hive_telemetry.logs import logger
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Retainer"]

WALK_SECONDS: Final = 60.0
"""From the end of one walk to the beginning of the next."""

WITHOUT_TERM_SECONDS: Final = 5.0
REST: Final = 9
"""How much longer than a batch the pause after it is: a tenth of one backend at the most."""

SHORTEST_PAUSE_SECONDS: Final = 0.02
LATEST_COMMIT_SECONDS: Final = 3600.0


class Retainer:
    """Walks over finished tasks while this queen has the term."""

    name = "retention"

    def __init__(
        self,
        pruner: Pruner,
        retention: Retention,
        *,
        is_due: Callable[[], bool],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._pruner = pruner
        self._retention = retention
        self._is_due = is_due
        self._metrics = metrics
        self._clock = clock
        self._marks: deque[tuple[float, TaskId]] = deque()
        """When walks ended, and behind which task each found something that stayed."""

        self._begin_walk()

    async def run(self) -> Never:
        """Walk again and again."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> float:
        """Delete one batch; return how long to pause."""
        if not self._is_due():
            self._metrics.show_oldest_finished(None)
            self._metrics.show_retention_behind(None)
            self._marks.clear()
            self._begin_walk()
            return WITHOUT_TERM_SECONDS
        began_at = self._clock.seconds()
        batch = await self._pruner.prune(self._retention, after=self._after)
        took_seconds = self._clock.seconds() - began_at
        self._count(batch)
        if batch.is_over:
            self._end_walk()
            return WALK_SECONDS
        return max(SHORTEST_PAUSE_SECONDS, REST * took_seconds)

    def _count(self, batch: PrunedBatch) -> None:
        for (queue, state), count in batch.counts.items():
            self._metrics.tasks_pruned(queue, state, count)
        self._pruned += batch.counts.total()
        self._after = batch.last_id
        self._first_kept = self._first_kept or batch.first_kept_id
        moments = [at for at in (self._oldest, batch.oldest_finished_at) if at is not None]
        self._oldest = min(moments, default=None)
        self._metrics.show_retention_behind(0.0 if batch.is_over else batch.overdue_seconds)

    def _end_walk(self) -> None:
        self._metrics.show_oldest_finished(self._oldest.timestamp() if self._oldest else None)
        if self._pruned:
            logger(__name__).info("deleted finished tasks", tasks=self._pruned)
        mark = self._after if self._first_kept is None else TaskId(self._first_kept - 1)
        self._marks.append((self._clock.seconds(), mark))
        self._begin_walk()

    def _begin_walk(self) -> None:
        settled_at = self._clock.seconds() - LATEST_COMMIT_SECONDS
        while len(self._marks) > 1 and self._marks[1][0] <= settled_at:
            self._marks.popleft()
        is_settled = bool(self._marks) and self._marks[0][0] <= settled_at
        self._after = self._marks[0][1] if is_settled else TaskId(0)
        self._first_kept: TaskId | None = None
        self._oldest: datetime | None = None
        self._pruned = 0
