"""One claimer for each queue, and for each line of one, that any worker serves."""

import asyncio
from collections.abc import Callable
from typing import Final, Never

from hive_contracts.labels import place_of
from hive_queen.claimer import Claimer
from hive_queen.controls import Controls
from hive_queen.granter import Granter
from hive_store.doorbell import Doorbell, News
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Bell", "Claimers"]

LINGER_SECONDS: Final = 60.0
"""How long a line with needs has a claimer that has nothing to claim."""


class Claimers:
    """Starts claimers, and wakes them."""

    name = "claimers"

    def __init__(self, make: Callable[[str], Claimer]) -> None:
        self._make = make
        self._by_queue: dict[str, Claimer] = {}
        self._new: asyncio.Queue[tuple[str, Claimer]] = asyncio.Queue()
        self._running: dict[str, asyncio.Task[None]] = {}

    def serve(self, queue: str) -> None:
        """See to it that `queue` has a claimer."""
        if queue not in self._by_queue:
            claimer = self._make(queue)
            self._by_queue[queue] = claimer
            self._new.put_nowait((queue, claimer))

    def keep_lines(self) -> list[str]:
        """Let go of lines with needs in which nothing was claimed of late; return the others.

        There may be any number of such lines, and each claimer looks whenever a permit comes back.
        """
        lines = [line for line in self._running if place_of(line)[1]]
        for line in lines:
            if self._by_queue[line].idle_seconds > LINGER_SECONDS:
                self._running.pop(line).cancel()
                del self._by_queue[line]
        return [line for line in lines if line in self._running]

    def wake(self, *, is_behind: bool = False) -> None:
        """Wake every claimer; `is_behind` if tasks came back with an earlier place."""
        for claimer in self._by_queue.values():
            claimer.wake(is_behind=is_behind)

    def wake_held_up(self) -> None:
        """Wake the claimers whose queue had a limit without room."""
        for claimer in self._by_queue.values():
            claimer.wake_if_held_up()

    async def run(self) -> Never:
        """Run a claimer for each queue; when one falls, all fall."""
        async with asyncio.TaskGroup() as group:
            while True:
                queue, claimer = await self._new.get()
                self._running[queue] = group.create_task(claimer.run(), name=claimer.name)


class Bell:
    """Wakes whoever has something to do once a submit, or the end of a turn, has committed."""

    name = "bell"

    def __init__(
        self,
        doorbell: Doorbell,
        claimers: Claimers,
        granter: Granter,
        controls: Controls,
        *,
        poll_seconds: float,
        metrics: Metrics,
    ) -> None:
        self._doorbell = doorbell
        self._claimers = claimers
        self._granter = granter
        self._controls = controls
        self._poll_seconds = poll_seconds
        self._metrics = metrics

    async def run(self) -> Never:
        """Listen for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> None:
        """Wait for one ring, a poll at most; see that the line is up."""
        await self._doorbell.listen()
        if await self._doorbell.wait(seconds=self._poll_seconds):
            # The claimers first: most rings are for them alone, and each statement delays the next.
            self._claimers.wake()
            news = self._doorbell.take_news()
            if News.WAITING in news:
                self._granter.wake()
            if News.CONTROLS in news:
                self._controls.wake()
