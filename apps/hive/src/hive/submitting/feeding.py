"""Tasks into the Hive, chunk by chunk, and at any moment a true word on which are in.

A chunk goes in whole or not at all. When Postgres goes away while one is on its way, nobody knows
whether it went in; once Postgres is back, the tasks themselves tell: those of the chunk's groups
that are newer than the last that was known. (Somebody else who puts tasks into the same groups at
that moment makes the answer unclear; then feeding stops and says so.)
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hive.printing import say
from hive.submitting.lines import RefusedLineError
from hive.tasks.outages import PAUSE_SECONDS
from hive.tasks.reaching import View
from hive_contracts.clocks import BootClock
from hive_contracts.errors import (
    RefusedTaskError,
    StoreUnavailableError,
    UnstorableValueError,
)
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.tasks import NewTask

__all__ = ["PATIENCE_SECONDS", "Feeder", "NumberedTask", "UnsureError"]

PATIENCE_SECONDS: Final = 30.0
"""How long a Postgres that went away is waited for."""


@dataclass(frozen=True, slots=True)
class NumberedTask:
    """A task, and the line that it came from."""

    number: int
    task: NewTask


class UnsureError(StoreUnavailableError):
    """Postgres did not come back to tell whether some lines are in."""

    def __init__(self, chunk: Sequence[NumberedTask], reason: StoreUnavailableError) -> None:
        super().__init__(str(reason))
        self.first, self.last = chunk[0].number, chunk[-1].number
        self.count = len(chunk)

    def way_out(self, group: str) -> str:
        """Return in words how to find out."""
        return (
            f"hive: whether lines {self.first:,} to {self.last:,} are in, Postgres did not say;"
            f" if `hive list --group {group}` shows their {self.count:,} tasks,"
            f" go on from line {self.last + 1:,}"
        )


class Feeder:
    """Puts tasks in, in order, and counts them."""

    def __init__(self, view: View, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._view = view
        self._patience_seconds = patience_seconds
        self._stopping = asyncio.Event()
        self._newest: TaskId | None = None
        self._named: dict[str, TaskId] = {}
        self.accepted = 0
        """How many tasks are in."""

        self.last_line = 0
        """The last line whose task is in; 0 if none is."""

    def stop(self) -> None:
        """Wait no longer for a Postgres that is away."""
        self._stopping.set()

    async def begin(self) -> None:
        """Look where the tasks that there are end; to be called once, before the first `put`."""
        newest = await self._view.selector.page(Selection(), limit=1)
        self._newest = newest[0].id if newest else TaskId(0)

    async def put(self, chunk: Sequence[NumberedTask]) -> list[TaskId]:
        """Put the tasks in, all or none, and return their ids; outlives a Postgres that is away.

        Raises:
            RefusedLineError: Postgres refuses a task; those before it are in.
            UnsureError: Postgres went away, did not come back, and may or may not have them.
        """
        chunk = [self._with_known_parents(numbered) for numbered in chunk]
        try:
            task_ids = await self._put(chunk)
        except (RefusedTaskError, UnstorableValueError) as error:
            if len(chunk) == 1:
                raise RefusedLineError(chunk[0].number, str(error)) from error
            # What Postgres alone finds wrong names no task: the halves tell which it is.
            half = len(chunk) // 2
            return [*await self.put(chunk[:half]), *await self.put(chunk[half:])]
        self._newest = task_ids[-1]
        self._named |= {
            numbered.task.name: task_id
            for numbered, task_id in zip(chunk, task_ids, strict=True)
            if numbered.task.name is not None
        }
        self.accepted += len(chunk)
        self.last_line = chunk[-1].number
        return task_ids

    def _with_known_parents(self, numbered: NumberedTask) -> NumberedTask:
        """Return a task with ids for names of tasks that are in."""
        after = numbered.task.after
        if not any(parent in self._named for parent in after):
            return numbered
        known = tuple(self._named.get(p, p) if isinstance(p, str) else p for p in after)
        return replace(numbered, task=replace(numbered.task, after=known))

    async def _put(self, chunk: Sequence[NumberedTask]) -> list[TaskId]:
        try:
            return await self._view.tasks.submit([numbered.task for numbered in chunk])
        except StoreUnavailableError as error:
            say(f"hive: {error}; still trying, for {self._patience_seconds:g} s")
            return await self._put_once_back(chunk, error)

    async def _put_once_back(
        self, chunk: Sequence[NumberedTask], reason: StoreUnavailableError
    ) -> list[TaskId]:
        clock = BootClock()
        give_up_at = clock.seconds() + self._patience_seconds
        while not await self._is_stopping_within(PAUSE_SECONDS):
            if clock.seconds() > give_up_at:
                break
            try:
                task_ids = await self._find(chunk)
                if task_ids and len(task_ids) != len(chunk):
                    break
                task_ids = task_ids or await self._view.tasks.submit([n.task for n in chunk])
            except StoreUnavailableError:
                continue
            say("hive: Postgres is back")
            return task_ids
        raise UnsureError(chunk, reason)

    async def _find(self, chunk: Sequence[NumberedTask]) -> list[TaskId]:
        """Return the tasks of the chunk's groups that are newer than the last one known."""
        newest = self._newest or TaskId(0)
        found: list[TaskId] = []
        for group in {numbered.task.group for numbered in chunk}:
            page = await self._view.selector.page(Selection(group=group), limit=len(chunk) + 1)
            found += [summary.id for summary in page if summary.id > newest]
        return sorted(found)

    async def _is_stopping_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True
