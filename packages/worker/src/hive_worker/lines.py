"""Serve the tasks that need labels of this worker: each line of them by a receiver of its own.

Which lines there are is asked once a second, and only by workers that have labels. A line that has
had nothing for a minute is left, and taken up again with its next task.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Never, TypeAlias

from hive_contracts.bundles import Bundle
from hive_contracts.clocks import Clock
from hive_dispatch.receiver import BundleReceiver
from hive_store.worker_store import WorkerStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Accept", "Lines"]

Accept: TypeAlias = Callable[[Bundle], Awaitable[None]]

LOOK_SECONDS: Final = 1.0
"""How often it looks for lines: as much later may the first task of one start."""

LINGER_SECONDS: Final = 60.0
"""How long a line is served in which nothing waits: a receiver is a connection to Redis."""


class Lines:
    """Opens a receiver for each line that has something for this worker."""

    name = "lines"

    def __init__(
        self,
        store: WorkerStore,
        *,
        queues: Sequence[str],
        labels: Sequence[str],
        accept: Accept,
        receiver_of: Callable[[str, Accept], BundleReceiver],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._queues = queues
        self._labels = labels
        self._accept = accept
        self._receiver_of = receiver_of
        self._metrics = metrics
        self._clock = clock
        self._receivers: dict[str, BundleReceiver] = {}
        self._seen_at: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._leaving: list[asyncio.Task[None]] = []
        self._is_taking = True

    def stop_taking(self) -> None:
        """Leave bundles to others from now on."""
        self._is_taking = False
        for receiver in self._receivers.values():
            receiver.stop_taking()

    async def run(self) -> Never:
        """Look for lines until cancelled."""
        async with asyncio.TaskGroup() as group:

            async def tick() -> float:
                return await self._tick(group)

            await keep_ticking(tick, name=self.name, metrics=self._metrics)

    async def _tick(self, group: asyncio.TaskGroup) -> float:
        lines = await self._store.lines(self._queues, self._labels)
        if self._is_taking:
            now = self._clock.seconds()
            for line in lines:
                self._seen_at[line] = now
                if line not in self._receivers:
                    receiver = self._receivers[line] = self._receiver_of(line, self._take)
                    self._running[line] = group.create_task(receiver.run(), name=receiver.name)
            self._leave_what_is_idle(now)
        return LOOK_SECONDS

    async def _take(self, bundle: Bundle) -> None:
        self._seen_at[bundle.queue] = self._clock.seconds()
        await self._accept(bundle)

    def _leave_what_is_idle(self, now: float) -> None:
        # A look that is under way may still take something: it has until the next round to accept.
        for task in self._leaving:
            task.cancel()
        self._leaving.clear()
        for line in [line for line, at in self._seen_at.items() if now - at > LINGER_SECONDS]:
            del self._seen_at[line]
            self._receivers.pop(line).stop_taking()
            self._leaving.append(self._running.pop(line))
