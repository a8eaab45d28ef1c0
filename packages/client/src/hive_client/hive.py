"""Submit tasks and wait for their results.

    async with Hive.connect() as hive:
        task_id = await hive.submit("command", {"argv": ["uname", "-a"]})
        ended = await hive.wait(task_id)
        print(ended.state, ended.result)

The end of a task is noticed at once through a hint on the bus; a hint that is lost costs one poll.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from hive_bus.bus import Bus
from hive_client.local_hive import find_local_hive
from hive_client.lookout import Lookout
from hive_client.submitter import Submitter
from hive_contracts.errors import ConfigurationError, UsageError
from hive_contracts.events import CancelRequest, EventType
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.tasks import TaskRecord
from hive_store import EndedTask, TaskStore, open_line
from hive_store.task_ids import checked_ids

__all__ = ["Hive"]

DEFAULT_PREFIX: Final = "hive"


class Hive(Submitter):
    """A Hive to give work to. Get one from `connect`."""

    def __init__(self, tasks: TaskStore, bus: Bus | None, lookout: Lookout) -> None:
        super().__init__(tasks, bus)
        self.lookout = lookout
        """Waits for the ends of tasks, for all who wait."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        database_url: str | None = None,
        redis_url: str | None = None,
        *,
        redis_prefix: str | None = None,
    ) -> "AsyncGenerator[Hive]":
        """Give a Hive; it connects when it is first used.

        Args:
            database_url: Postgres; None for what HIVE_DATABASE_URL says, else for the Hive that
                `hive up` runs on this machine.
            redis_url: Redis; None for what HIVE_REDIS_URL says, else for that of the same
                `hive up`. Without one everything works, but results are noticed by polling.
            redis_prefix: what queens and workers use; None for what HIVE_REDIS_PREFIX says, else
                for "hive".

        Raises:
            ConfigurationError: no database is named, and no `hive up` runs here.
        """
        database, redis = _servers(database_url, redis_url)
        prefix = redis_prefix or os.environ.get("HIVE_REDIS_PREFIX") or DEFAULT_PREFIX
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(open_line(database))
            bus = await stack.enter_async_context(Bus.open(redis, prefix=prefix)) if redis else None
            yield await stack.enter_async_context(cls.over(TaskStore(line), bus))

    @classmethod
    @asynccontextmanager
    async def over(cls, tasks: TaskStore, bus: Bus | None) -> "AsyncGenerator[Hive]":
        """Give a Hive over a store and a bus that are open, and stay so."""
        async with Lookout.open(tasks, bus) as lookout:
            yield cls(tasks, bus, lookout)

    async def as_completed(
        self, task_ids: Iterable[TaskId], *, within: timedelta | None = None
    ) -> AsyncGenerator[EndedTask]:
        """Give tasks as they end, each once, whatever their number.

        Outlives servers that are away for a while. No more than 1,000 results are held at a time;
        however many wait in one client, one loop looks for all of them.

        Args:
            task_ids: the tasks, in any order; some or all may have ended.
            within: how long to wait for all of them; None for as long as it takes.

        Raises:
            UnknownTaskError: there is no task of one of these ids; none is given then.
            UsageError: an id is no whole number, or `within` no timedelta.
            TimeoutError: some had not ended `within` that time; they go on all the same.
        """
        give_up_at = _moment_after(within)
        with self.lookout.watch(checked_ids(task_ids)) as watch:
            while True:
                async with asyncio.timeout_at(give_up_at):
                    ended = await watch.next()
                if ended is None:
                    return
                yield ended

    async def wait(self, task_id: TaskId, *, within: timedelta | None = None) -> EndedTask:
        """Return how a task ended, once it has. Raises as `as_completed` does."""
        [ended] = await self.wait_for_all([task_id], within=within)
        return ended

    async def wait_for_all(
        self, task_ids: Iterable[TaskId], *, within: timedelta | None = None
    ) -> list[EndedTask]:
        """Return how tasks ended, in the order given, once all have.

        Raises as `as_completed` does.
        """
        wanted = list(task_ids)
        ended = {task.id: task async for task in self.as_completed(wanted, within=within)}
        return [ended[task_id] for task_id in wanted]

    async def cancel(self, *task_ids: TaskId) -> dict[TaskId, TaskState]:
        """Call tasks off; return the state each is in now.

        A task that runs stays `running` until nothing of it is left; wait for it to see. A task
        that has ended already is not in the answer.

        Raises:
            UsageError: an id is no whole number.
        """
        states = await self.tasks.cancel(task_ids)
        running = {i for i, state in states.items() if state not in TERMINAL_STATES}
        if self._bus is not None and running:
            self._bus.tell(CancelRequest(tuple(running)))
        self._tell(EventType.CANCELLED, [i for i in states if i not in running])
        return states

    async def show(self, task_id: TaskId) -> TaskRecord:
        """Return everything known of a task.

        Raises:
            UnknownTaskError: there is no such task.
            UsageError: the id is no whole number.
        """
        return await self.tasks.read(task_id)


def _moment_after(within: object) -> float | None:
    if within is None:
        return None
    if not isinstance(within, timedelta):
        raise UsageError(f"within is a timedelta, not {within!r}")
    return asyncio.get_running_loop().time() + within.total_seconds()


def _servers(database_url: str | None, redis_url: str | None) -> tuple[str, str | None]:
    database = database_url or os.environ.get("HIVE_DATABASE_URL")
    redis = redis_url or os.environ.get("HIVE_REDIS_URL")
    if database:
        return database, redis
    local = find_local_hive(os.environ)
    if local is None:
        raise ConfigurationError(
            "no Hive runs on this machine, and no database is named: start one with `hive up -d`,"
            " pass database_url, or set HIVE_DATABASE_URL"
        )
    return local.database_url, redis or local.redis_url
