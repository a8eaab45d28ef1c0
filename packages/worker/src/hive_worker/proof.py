"""Until when this worker can prove that its leases are its own.

A renewal proves them from the moment it was *sent*, on a clock that goes on while the machine is
suspended. When the proof runs out, less a margin, the worker stops everything it runs: by then
nobody else can have begun the same tasks.
"""

import asyncio
from collections.abc import Callable

from hive_contracts.clocks import Clock

__all__ = ["Proof"]


class Proof:
    """The worker's deadline, moved on by every heartbeat."""

    def __init__(self, clock: Clock, *, lease_seconds: float, margin_seconds: float) -> None:
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._margin_seconds = margin_seconds
        self._until = float("-inf")
        self._renewed = asyncio.Event()
        self.on_move: Callable[[float], None] = lambda _until: None
        """Called, from the heartbeat's thread, with the new deadline in seconds since boot."""

    @property
    def holds(self) -> bool:
        """Whether leases can be proved now."""
        return self._clock.seconds() < self._until

    def move(self, sent_at: float) -> None:
        """Hear, in the heartbeat's thread, that a renewal sent at `sent_at` was granted."""
        self._until = sent_at + self._lease_seconds - self._margin_seconds
        self.on_move(self._until)

    def heard(self) -> None:
        """Hear, in the loop, that there is a proof."""
        self._renewed.set()

    async def wait(self) -> None:
        """Return once leases can be proved."""
        while not self.holds:
            self._renewed.clear()
            await self._renewed.wait()
