"""Time that only this process waits for. What others compare is the database's time.

CLOCK_BOOTTIME goes on while the machine is suspended, so a lease that lapsed during a suspend is
seen to have lapsed; CLOCK_MONOTONIC stops and would not show it.
"""

import time
from typing import Protocol

__all__ = ["BootClock", "Clock"]


class Clock(Protocol):
    """A clock that never goes back."""

    def seconds(self) -> float:
        """Return seconds since an arbitrary but fixed moment."""
        ...


class BootClock:
    """Seconds since the machine booted, suspends included."""

    def seconds(self) -> float:
        """Return seconds since boot."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
