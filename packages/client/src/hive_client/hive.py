"""Submit tasks and wait for their results.

    async with Hive.connect() as hive:
        task_id = await hive.submit("command", {"argv": ["uname", "-a"]})
        ended = await hive.wait(task_id)
        print(ended.state, ended.result)

The end of a task is noticed at once through a hint on the bus; a hint that is lost costs one poll.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from hive_bus.bus import Bus
from hive_bus.gap import Gap
from hive_bus.subscription import Subscription
from hive_contracts.errors import ConfigurationError, UnknownTaskError
from hive_contracts.events import CancelRequest, Event, EventFrame, EventType
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.tasks import NewTask, TaskRecord
from hive_store import TaskStore, open_line
from hive_store.task_store import EndedTask

__all__ = ["Hive"]

POLL_SECONDS: Final = 1.0
"""How long a lost hint can delay the news of a result."""

POLL_WITHOUT_BUS_SECONDS: Final = 0.1


class Hive:
    """A Hive to give work to. Get one from `connect`."""

    def __init__(self, tasks: TaskStore, bus: Bus | None) -> None:
        self.tasks = tasks
        """All that can be asked of tasks; `submit`, `wait` and `cancel` are its short form."""

        self._bus = bus

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        database_url: str | None = None,
        redis_url: str | None = None,
        *,
        redis_prefix: str = "hive",
    ) -> "AsyncGenerator[Hive]":
        """Give a Hive; it connects when it is first used.

        Args:
            database_url: Postgres; None for what HIVE_DATABASE_URL says.
            redis_url: Redis; None for what HIVE_REDIS_URL says. Without one everything works, but
                results are noticed by polling.
            redis_prefix: the prefix that queens and workers use.

        Raises:
            ConfigurationError: no database is named.
        """
        database = database_url or os.environ.get("HIVE_DATABASE_URL")
        redis = redis_url or os.environ.get("HIVE_REDIS_URL")
        if not database:
            raise ConfigurationError(
                "no database is named: pass database_url, or set HIVE_DATABASE_URL"
                " (`hive up` prints it)"
            )
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(open_line(database))
            bus = (
                await stack.enter_async_context(Bus.open(redis, prefix=redis_prefix))
                if redis
                else None
            )
            yield cls(TaskStore(line), bus)

    async def submit(self, kind: str, payload: Any = None, **options: Any) -> TaskId:
        """Submit one task; return its id once it is durable.

        Args:
            kind: name of the executor: `command`, `call`, ...
            payload: its input; anything that JSON can hold.
            options: the other fields of `hive_contracts.tasks.NewTask`: queue, priority, run_at,
                max_attempts, max_losses, timeout.

        Raises:
            RefusedTaskError: it may not be submitted as it stands; the message says why.
            StoreUnavailableError: Postgres did not answer; the task may or may not be there.
        """
        task = NewTask(kind=kind, payload={} if payload is None else payload, **options)
        [task_id] = await self.submit_many([task])
        return task_id

    async def submit_many(self, tasks: Sequence[NewTask]) -> list[TaskId]:
        """Submit tasks in one statement, all or none; return their ids in the order given."""
        task_ids = await self.tasks.submit(tasks)
        if self._bus is not None and task_ids:
            self._bus.tell(EventFrame((Event(type=EventType.QUEUED, task_ids=tuple(task_ids)),)))
        return task_ids

    async def wait(self, task_id: TaskId, *, within: timedelta | None = None) -> EndedTask:
        """Return how a task ended, once it has.

        Raises:
            UnknownTaskError: there is no such task.
            TimeoutError: it had not ended `within` that time; it goes on all the same.
        """
        [ended] = await self.wait_for_all([task_id], within=within)
        return ended

    async def wait_for_all(
        self, task_ids: Iterable[TaskId], *, within: timedelta | None = None
    ) -> list[EndedTask]:
        """Return how tasks ended, in the order given, once all have. Raises as `wait` does."""
        wanted = list(task_ids)
        ended: dict[TaskId, EndedTask] = {}
        async with asyncio.timeout(within.total_seconds() if within is not None else None):
            async with self._news_of(wanted) as news:
                await self._refuse_unknown(wanted)
                pending = hinted = set(wanted)
                while True:
                    ended |= {e.id: e for e in await self.tasks.read_ended([*hinted])}
                    pending = pending - ended.keys()
                    if not pending:
                        return [ended[i] for i in wanted]
                    hinted = pending & await news.wait(pending)

    async def cancel(self, *task_ids: TaskId) -> dict[TaskId, TaskState]:
        """Call tasks off; return the state each is in now.

        A task that runs stays `running` until nothing of it is left; wait for it to see. A task
        that has ended already is not in the answer.
        """
        states = await self.tasks.cancel(task_ids)
        running = tuple(i for i, state in states.items() if state not in TERMINAL_STATES)
        if self._bus is not None and running:
            self._bus.tell(CancelRequest(running))
        return states

    async def show(self, task_id: TaskId) -> TaskRecord:
        """Return everything known of a task.

        Raises:
            UnknownTaskError: there is no such task.
        """
        return await self.tasks.read(task_id)

    async def _refuse_unknown(self, task_ids: Sequence[TaskId]) -> None:
        found = {record.id for record in await self.tasks.read_many(task_ids)}
        for task_id in task_ids:
            if task_id not in found:
                raise UnknownTaskError(task_id)

    @asynccontextmanager
    async def _news_of(self, task_ids: Sequence[TaskId]) -> "AsyncGenerator[_News]":
        if self._bus is None:
            yield _News(None)
            return
        async with self._bus.subscribe(EventFrame, task_ids=set(task_ids)) as frames:
            yield _News(frames)


class _News:
    """Waits until some tasks may have ended: a hint says which, a poll that any may."""

    def __init__(self, frames: Subscription[EventFrame] | None) -> None:
        self._frames = frames

    async def wait(self, pending: set[TaskId]) -> set[TaskId]:
        """Return which tasks to look at: a hint names few, so that waiting for many stays cheap."""
        if self._frames is None:
            await asyncio.sleep(POLL_WITHOUT_BUS_SECONDS)
            return pending
        try:
            async with asyncio.timeout(POLL_SECONDS):
                frame = await anext(self._frames)
        except TimeoutError:
            return pending
        if isinstance(frame, Gap):
            return pending
        return {task_id for event in frame.events for task_id in event.task_ids}
