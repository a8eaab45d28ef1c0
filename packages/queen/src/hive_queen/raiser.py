"""Make tasks more urgent the longer they wait, so that urgent ones keep nobody out for ever.

A task of priority p is most urgent after p levels at the latest, and then goes before every task
that came later. Where all priorities are 0 there is nothing to raise, and an empty index says so.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Never

from hive_queen.settings import QueenSettings
from hive_store.queen_store import QueenStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Raiser"]


class Raiser:
    """Raises tasks. Any number of queens may: they skip one another's."""

    name = "raise"

    def __init__(
        self,
        store: QueenStore,
        *,
        wake: Callable[[], None],
        settings: QueenSettings,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._wake = wake
        self._settings = settings
        self._metrics = metrics

    async def run(self) -> Never:
        """Raise for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> float:
        """Raise one batch; return how long to wait: not at all if there may be more."""
        if self._settings.raise_after_seconds == 0:
            return self._settings.poll_seconds
        level = timedelta(seconds=self._settings.raise_after_seconds)
        count = await self._store.raise_waiting(level=level, batch_size=self._settings.retry_batch)
        if count:
            self._wake()
        return 0 if count == self._settings.retry_batch else self._settings.poll_seconds
