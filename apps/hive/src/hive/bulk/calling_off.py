"""Call off what is left of a group."""

import asyncio
from typing import Final

from hive.bulk.gate import OPEN
from hive.tasks.reaching import Reach
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.selecting import Selection

__all__ = ["call_off"]

AGAIN_SECONDS: Final = 0.2


async def call_off(reach: Reach, group: str) -> None:
    """Cancel every task of the group that has not ended; return once each was told.

    Outlives a Postgres that is away. A task that another transaction holds is asked again.
    """
    while True:
        if await _all_are_told(reach, group):
            return
        await asyncio.sleep(AGAIN_SECONDS)


async def _all_are_told(reach: Reach, group: str) -> bool:
    try:
        are_told = True
        async for page in reach.view.selector.pages_of_ids(Selection(group=group, states=OPEN)):
            answered = await reach.hive.cancel(*page)
            are_told = are_told and len(answered) == len(page)
    except StoreUnavailableError:
        return False
    return are_told
