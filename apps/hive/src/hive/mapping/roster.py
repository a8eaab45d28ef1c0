"""The tasks that are waited for, some of which may come while others end."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_store.task_store import EndedTask

__all__ = ["Roster"]

JOIN_SECONDS: Final = 1.0
"""How long tasks that came later are not watched, while further ones may come."""


class Roster:
    """Tasks that have not been seen to end."""

    def __init__(self) -> None:
        self._pending: dict[TaskId, None] = {}
        self._changed = asyncio.Event()
        self.is_closed = False
        """Whether all tasks that shall be waited for have been added."""

    def add(self, task_ids: Iterable[TaskId]) -> None:
        """Wait for these too."""
        self._pending |= dict.fromkeys(task_ids)
        self._changed.set()

    def close(self) -> None:
        """Say that no further tasks will come."""
        self.is_closed = True
        self._changed.set()

    def first(self) -> TaskId | None:
        """Return the first of those that have not been seen to end."""
        return next(iter(self._pending), None)

    async def ends(self, hive: Hive) -> AsyncGenerator[EndedTask]:
        """Give each task once it has ended, until none is left to come or to end."""
        while self._pending or not self.is_closed:
            if not self._pending:
                self._changed.clear()
                await self._changed.wait()
                continue
            async with aclosing(self._ends_of_those_known(hive)) as ends:
                async for ended in ends:
                    del self._pending[ended.id]
                    yield ended

    async def _ends_of_those_known(self, hive: Hive) -> AsyncGenerator[EndedTask]:
        # A watch is for tasks that are known when it begins, so it is begun anew for more.
        limit_seconds = None if self.is_closed else JOIN_SECONDS
        async with aclosing(hive.as_completed([*self._pending])) as ends:
            while True:
                try:
                    async with asyncio.timeout(limit_seconds):
                        ended = await anext(ends)
                except (TimeoutError, StopAsyncIteration):
                    return
                yield ended
