"""Who lives: the queen says that she does, and her permits follow the living workers' slots."""

import os
import socket
from collections.abc import Callable, Sequence
from typing import Never

from hive_queen.permits import Permits
from hive_queen.settings import QueenSettings
from hive_store.queen_findings import Capacity
from hive_store.queen_store import QueenStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Fleet"]


class Fleet:
    """What the living workers can run for this queen."""

    name = "fleet"

    def __init__(
        self,
        store: QueenStore,
        permits: Permits,
        *,
        settings: QueenSettings,
        metrics: Metrics,
        version: str,
    ) -> None:
        self._store = store
        self._permits = permits
        self._settings = settings
        self._metrics = metrics
        self._version = version
        self._capacity = Capacity(1, 0, {}, {})
        self.on_queue: Callable[[str], None] = lambda _queue: None
        """Called with each queue, and each line of one, that is served."""
        self.keep_lines: Callable[[], Sequence[str]] = lambda: ()
        """Returns the lines with needs that are served also while nothing waits there."""

    async def run(self) -> Never:
        """Look again and again."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> float:
        """Say that this queen lives, count who else does, and resize the permits.

        Raises:
            SchemaMismatchError: somebody has migrated the schema beyond what she can work with. She
                ends: she holds nothing that her successor would not find in the rows.
        """
        await self._store.check_schema()
        await self._store.see(host=socket.gethostname(), pid=os.getpid(), version=self._version)
        self._capacity = await self._store.capacity(
            living=self._settings.living, lines=self.keep_lines()
        )
        by_queue = {queue: self.share_of(queue) for queue in self._capacity.slots}
        total = -(-self._capacity.total_slots // self._capacity.queens)
        self._permits.resize(total=total, by_queue=by_queue)
        self._metrics.show_permits(
            held=self._permits.held, free=max(0, self._permits.size - self._permits.held)
        )
        for queue in by_queue:
            self.on_queue(queue)
        return self._settings.poll_seconds / 2

    def share_of(self, queue: str) -> int:
        """Return this queen's share of the slots that serve `queue`, rounded up."""
        return -(-self._capacity.slots.get(queue, 0) // self._capacity.queens)

    def workers_of(self, queue: str) -> int:
        """Return how many workers serve `queue`."""
        return self._capacity.workers.get(queue, 0)
