"""Requests that wait: a bounded queue, the highest priority first, then the oldest."""

import heapq
from dataclasses import dataclass
from typing import Generic, TypeVar

from hive_inference.errors import FullError

__all__ = ["Waiting", "WaitingRoom"]

A = TypeVar("A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Generic[A]):
    """A request, and what has to be known of it while it waits."""

    number: int
    """Given by who asks, never twice."""

    ask: A
    priority: int
    since: float
    """By the queue's clock, in seconds."""

    until: float
    """When its time is over, by the same clock; infinite if never."""


class WaitingRoom(Generic[A]):
    """The queue."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._order: list[tuple[int, int, int]] = []
        self._waiting: dict[int, Waiting[A]] = {}
        self._arrivals = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def add(self, waiting: Waiting[A]) -> None:
        """Add a request.

        Raises:
            FullError: as many as there is room for wait already.
        """
        if len(self._waiting) >= self._capacity:
            raise FullError(self._capacity)
        self._arrivals += 1
        heapq.heappush(self._order, (-waiting.priority, self._arrivals, waiting.number))
        self._waiting[waiting.number] = waiting

    def take(self) -> Waiting[A] | None:
        """Take out the request whose turn it is; None if none waits."""
        while self._order:
            waiting = self._waiting.pop(heapq.heappop(self._order)[2], None)
            if waiting is not None:
                return waiting
        return None

    def remove(self, number: int) -> Waiting[A] | None:
        """Take out a certain request; None if it does not wait."""
        # Its place in the order stays until its turn comes, and is passed over then.
        return self._waiting.pop(number, None)

    def remove_late(self, now: float) -> list[Waiting[A]]:
        """Take out the requests whose time is over."""
        late = [waiting for waiting in self._waiting.values() if waiting.until <= now]
        for waiting in late:
            del self._waiting[waiting.number]
        return late
