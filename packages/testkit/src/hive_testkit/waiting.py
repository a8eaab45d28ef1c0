"""Wait until something is so, with a time limit, where there is no event to wait on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["until"]

LOOK_SECONDS: Final = 0.005


async def until(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]], *, within_seconds: float = 10.0
) -> None:
    """Return as soon as `condition` holds.

    Raises:
        TimeoutError: it did not in time.
    """
    async with asyncio.timeout(within_seconds):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(LOOK_SECONDS)
