"""When to look into the store: at the next word on the bus, or when it is time to look anyway."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from hive_contracts.events import EventFrame
from hive_contracts.ids import TaskId

if TYPE_CHECKING:
    from hive.tasks.reaching import Reach
    from hive_bus.gap import Gap
    from hive_bus.subscription import Subscription

__all__ = ["Hints", "heard_hints", "next_hint"]

Hints: TypeAlias = "Subscription[EventFrame] | None"
"""None where no Redis is named: there is nothing to hear then."""


@asynccontextmanager
async def heard_hints(
    reach: "Reach", task_ids: Collection[TaskId] | None = None
) -> AsyncGenerator[Hints]:
    """Listen to what happens to these tasks, or to all if None, until the context ends."""
    if reach.bus is None:
        yield None
        return
    async with reach.bus.subscribe(EventFrame, task_ids=task_ids) as frames:
        yield frames


async def next_hint(hints: Hints, *, within_seconds: float) -> "EventFrame | Gap | None":
    """Return the next word on the bus, or None after that time; a gap may mean that it is away."""
    if hints is None:
        await asyncio.sleep(within_seconds)
        return None
    try:
        async with asyncio.timeout(within_seconds):
            return await anext(hints)
    except TimeoutError:
        return None
