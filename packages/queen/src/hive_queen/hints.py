"""Hear from workers what has ended, so that permits return at once, not at the next recount."""

import asyncio
from collections.abc import Callable
from typing import Never

from hive_bus.bus import Bus
from hive_bus.gap import Gap
from hive_contracts.events import LeaseFrame
from hive_contracts.ids import QueenId
from hive_queen.pacing import RunTimes
from hive_queen.permits import Permits

__all__ = ["Hints"]


class Hints:
    """Listens to the lease frames."""

    name = "hints"

    def __init__(
        self,
        bus: Bus,
        queen_id: QueenId,
        permits: Permits,
        run_times: RunTimes,
        *,
        missed: asyncio.Event,
        on_ended: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._queen_id = queen_id
        self._permits = permits
        self._run_times = run_times
        self._missed = missed
        self._on_ended = on_ended

    async def run(self) -> Never:
        """Listen for ever; after a gap, ask for a recount."""
        async with self._bus.subscribe(LeaseFrame) as frames:
            async for frame in frames:
                if isinstance(frame, Gap):
                    self._missed.set()
                else:
                    self.hear(frame)
        raise AssertionError("a subscription ended")

    def hear(self, frame: LeaseFrame) -> None:
        """Take in what a worker's flush has changed."""
        self._run_times.observe(frame.run_seconds)
        for change in frame.changes:
            if change.queen_id == self._queen_id:
                self._permits.shrink(change.lease_id, change.open)
        # Of any queen's: limits hold for all together.
        self._on_ended()
