"""A bounded queue of frames for one reader, in which the oldest make way."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from hive_bus.gap import Gap

__all__ = ["Inbox"]

ItemT = TypeVar("ItemT")


class Inbox(Generic[ItemT]):
    """Keeps the newest items for a reader who may be slow; one `Gap` stands for what it dropped."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[ItemT | Gap] = deque()
        self._arrived = asyncio.Event()
        self.dropped = 0
        """How many items made way for newer ones."""

    def put(self, item: ItemT | Gap) -> None:
        """Add `item`; if there is no room, the oldest make way and leave a gap in their place."""
        if isinstance(item, Gap) and self._items and isinstance(self._items[-1], Gap):
            return
        if len(self._items) >= self._capacity:
            self._make_room()
        self._items.append(item)
        self._arrived.set()

    def _make_room(self) -> None:
        # Two go and one gap comes: the gap needs a place as well. From then on it is the gap itself
        # that goes first, so that there is never more than one at the head.
        for item in (self._items.popleft(), self._items.popleft()):
            self.dropped += not isinstance(item, Gap)
        self._items.appendleft(Gap())

    async def get(self) -> ItemT | Gap:
        """Return the oldest item, once there is one."""
        while not self._items:
            self._arrived.clear()
            await self._arrived.wait()
        return self._items.popleft()
