"""The same for programs without asyncio.

    with SyncHive.connect() as hive:
        task_ids = [hive.submit(resize, path=path, width=300) for path in paths]
        for ended in hive.as_completed(task_ids):
            print(ended.id, ended.result_or_raise())

Each method does what the one of `Hive` does that has its name, on an event loop in a thread. Many
threads may use one `SyncHive` at once. It has no `within`: asyncpg's connections belong to a loop.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, overload

from hive_client.cancelling import CalledOff
from hive_client.event_stream import event_filter
from hive_client.hive import Hive
from hive_client.loop_thread import LoopThread
from hive_client.options import TaskOptions
from hive_client.submitter import CHUNK_TASKS, Submitter, chunks
from hive_client.subscriber import Subscriber
from hive_contracts.errors import UsageError
from hive_contracts.events import Cursor, Event
from hive_contracts.ids import TaskId
from hive_contracts.limits import Breaker, Limit, LimitScope, UsedLimit
from hive_contracts.selecting import Selection
from hive_contracts.spending import Budget, UsedBudget
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, Submitted, TaskRecord
from hive_sealing import SealingSettings
from hive_store import EndedTask

if TYPE_CHECKING:
    from hive_client.sync_schedules import SyncSchedules

__all__ = ["SyncHive", "SyncSubmitter", "SyncSubscriber"]

P = ParamSpec("P")
ItemT = TypeVar("ItemT")


class SyncSubmitter:
    """Where work is handed in, with what every task from here has in common."""

    def __init__(self, thread: LoopThread[Hive], submitter: Submitter) -> None:
        self._thread = thread
        self._submitter = submitter

    def with_options(self, **options: Unpack[TaskOptions]) -> "SyncSubmitter":
        """Return where to submit tasks that shall all be treated so."""
        return SyncSubmitter(self._thread, self._submitter.with_options(**options))

    @overload
    def submit(
        self, kind: str, /, payload: Any = None, **options: Unpack[TaskOptions]
    ) -> TaskId: ...

    @overload
    def submit(
        self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskId: ...

    def submit(self, work: str | Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskId:
        """Submit one task; see `Hive.submit`."""
        return self._thread.run(self._submitter.submit, work, *args, **kwargs)

    def submit_many(
        self,
        tasks: Iterable[NewTask],
        *,
        on_success: NewTask | None = None,
        on_finished: NewTask | None = None,
    ) -> list[TaskId]:
        """Submit tasks, all or none; see `Hive.submit_many`."""
        # Made into a list here: what the caller iterates over may be of the caller's thread.
        return self._thread.run(
            self._submitter.submit_many,
            list(tasks),
            on_success=on_success,
            on_finished=on_finished,
        )

    def hand_in(self, tasks: Iterable[NewTask]) -> list[Submitted]:
        """Submit tasks, and hear which are new; see `Hive.hand_in`."""
        return self._thread.run(self._submitter.hand_in, list(tasks))

    def submit_in_chunks(
        self, tasks: Iterable[NewTask], *, chunk_tasks: int = CHUNK_TASKS
    ) -> Generator[list[TaskId]]:
        """Submit tasks as they come; see `Hive.submit_in_chunks`."""
        for chunk in chunks(tasks, chunk_tasks):
            yield self.submit_many(chunk)


class SyncSubscriber:
    """Gives each event, in the order of the log. Get one from `SyncHive.subscriber`."""

    def __init__(self, thread: LoopThread[Hive], subscriber: Subscriber) -> None:
        self._thread = thread
        self._subscriber = subscriber

    @property
    def cursor(self) -> Cursor:
        """The place that is stored; see `Subscriber.cursor`."""
        return self._subscriber.cursor

    def __iter__(self) -> "SyncSubscriber":
        return self

    def __next__(self) -> Event:
        """Return the next event, once there is one; see `Subscriber`."""
        return self._thread.run(self._subscriber.__anext__)

    def commit(self) -> None:
        """Note that everything that was given out has been handled; see `Subscriber.commit`."""
        self._thread.run(self._subscriber.commit)

    def go_to(self, cursor: Cursor) -> None:
        """Go on behind `cursor`, and note it; see `Subscriber.go_to`."""
        self._thread.run(self._subscriber.go_to, cursor)


class SyncHive(SyncSubmitter):
    """A Hive to give work to. Get one from `connect`."""

    def __init__(self, thread: LoopThread[Hive]) -> None:
        super().__init__(thread, thread.resource)
        self._hive = thread.resource

    @property
    def schedules(self) -> "SyncSchedules":
        """What is submitted again and again."""
        from hive_client.sync_schedules import SyncSchedules  # noqa: PLC0415 - few need them

        return SyncSchedules(self._thread, self._hive.schedules)

    @classmethod
    @contextmanager
    def connect(
        cls,
        database_url: str | None = None,
        redis_url: str | None = None,
        *,
        redis_prefix: str | None = None,
        sealing: SealingSettings | None = None,
    ) -> "Generator[SyncHive]":
        """Give a Hive; it connects when it is first used. See `Hive.connect`.

        Raises:
            UsageError: an event loop runs in this thread; use `Hive.connect` there.
        """

        def opening() -> AbstractAsyncContextManager[Hive]:
            return Hive.connect(database_url, redis_url, redis_prefix=redis_prefix, sealing=sealing)

        with LoopThread[Hive].open(opening) as thread:
            yield cls(thread)

    def as_completed(
        self, task_ids: Iterable[TaskId], *, within: timedelta | None = None
    ) -> Generator[EndedTask]:
        """Give tasks as they end, each once; see `Hive.as_completed`."""
        yield from self._each_of(self._hive.as_completed(list(task_ids), within=within))

    def wait(self, task_id: TaskId, *, within: timedelta | None = None) -> EndedTask:
        """Return how a task ended, once it has; see `Hive.wait`."""
        return self._thread.run(self._hive.wait, task_id, within=within)

    def wait_for_all(
        self, task_ids: Iterable[TaskId], *, within: timedelta | None = None
    ) -> list[EndedTask]:
        """Return how tasks ended, in the order given; see `Hive.wait_for_all`."""
        return self._thread.run(self._hive.wait_for_all, list(task_ids), within=within)

    def events(
        self,
        *,
        after: Cursor | str | None = None,
        types: Iterable[str] = (),
        tasks: Iterable[TaskId] = (),
        group: str | None = None,
        queue: str | None = None,
        kind: str | None = None,
    ) -> Generator[Event]:
        """Give what happens to tasks, in the order of the log, for ever; see `Hive.events`."""
        yield from self._each_of(
            self._hive.events(
                after=after, types=types, tasks=tasks, group=group, queue=queue, kind=kind
            )
        )

    @contextmanager
    def subscriber(
        self,
        name: str,
        *,
        begin: Cursor | str | None = None,
        commits: bool = True,
        types: Iterable[str] = (),
        tasks: Iterable[TaskId] = (),
        group: str | None = None,
        queue: str | None = None,
        kind: str | None = None,
    ) -> "Generator[SyncSubscriber]":
        """Give a reader of events whose place Postgres keeps; see `Hive.subscriber`."""
        wanted = event_filter(types=types, tasks=tasks, group=group, queue=queue, kind=kind)
        subscriber = self._thread.run(
            self._hive.open_subscriber, name, wanted, begin=begin, commits=commits
        )
        try:
            yield SyncSubscriber(self._thread, subscriber)
        finally:
            # When the thread has ended, the time of the name runs out by itself.
            with suppress(UsageError):
                self._thread.run(subscriber.close)

    def cancel(
        self, *task_ids: TaskId, reason: str | None = None, insists: bool = True
    ) -> dict[TaskId, TaskState]:
        """Call tasks off; return the state each is in now. See `Hive.cancel`."""
        cancel = partial(self._hive.cancel, reason=reason, insists=insists)
        return self._thread.run(cancel, *task_ids)

    def park(
        self,
        *task_ids: TaskId,
        until: datetime | None = None,
        reason: str | None = None,
        insists: bool = True,
    ) -> list[TaskId]:
        """Set waiting tasks aside; return those that were. See `Hive.park`."""
        park = partial(self._hive.park, until=until, reason=reason, insists=insists)
        return self._thread.run(park, *task_ids)

    def unpark(self, *task_ids: TaskId, insists: bool = True) -> dict[TaskId, TaskState]:
        """Let parked tasks go on; return those that were parked. See `Hive.unpark`."""
        return self._thread.run(partial(self._hive.unpark, insists=insists), *task_ids)

    def answer(self, task_id: TaskId, text: str) -> TaskState:
        """Answer what a task asks; return its state. See `Hive.answer`."""
        return self._thread.run(self._hive.answer, task_id, text)

    def cancel_all(self, selection: Selection, *, reason: str | None = None) -> CalledOff:
        """Call off every unfinished task that fits; see `Hive.cancel_all`."""
        return self._thread.run(self._hive.cancel_all, selection, reason=reason)

    def show(self, task_id: TaskId) -> TaskRecord:
        """Return everything known of a task; see `Hive.show`."""
        return self._thread.run(self._hive.show, task_id)

    def pause_queue(self, queue: str, *, reason: str | None = None) -> bool:
        """Have nothing of a queue claimed from now on; see `Hive.pause_queue`."""
        return self._thread.run(self._hive.pause_queue, queue, reason=reason)

    def resume_queue(self, queue: str) -> bool:
        """Have tasks of a paused queue claimed again; see `Hive.resume_queue`."""
        return self._thread.run(self._hive.resume_queue, queue)

    def drain_queue(
        self, queue: str, *, reason: str | None = None, within: timedelta | None = None
    ) -> None:
        """Pause a queue, and wait until nobody has its tasks; see `Hive.drain_queue`."""
        self._thread.run(self._hive.drain_queue, queue, reason=reason, within=within)

    def move(self, *task_ids: TaskId, queue: str) -> list[TaskId]:
        """Have tasks wait in another queue; see `Hive.move`."""
        return self._thread.run(self._hive.move, *task_ids, queue=queue)

    def set_limit(self, limit: Limit) -> None:
        """Have a limit hold from now on; see `Hive.set_limit`."""
        self._thread.run(self._hive.set_limit, limit)

    def remove_limit(self, scope: LimitScope, target: str) -> bool:
        """Lift a limit; see `Hive.remove_limit`."""
        return self._thread.run(self._hive.remove_limit, scope, target)

    def limits(self) -> list[UsedLimit]:
        """Return the limits; see `Hive.limits`."""
        return self._thread.run(self._hive.limits)

    def set_budget(self, budget: Budget) -> int:
        """Have a budget hold from now on; see `Hive.set_budget`."""
        return self._thread.run(self._hive.set_budget, budget)

    def remove_budget(self, name: str) -> int | None:
        """Lift a budget; see `Hive.remove_budget`."""
        return self._thread.run(self._hive.remove_budget, name)

    def budgets(self) -> list[UsedBudget]:
        """Return the budgets; see `Hive.budgets`."""
        return self._thread.run(self._hive.budgets)

    def open_breaker(
        self, name: str, *, length: timedelta | None = None, reason: str | None = None
    ) -> None:
        """Have no task of a breaker begin; see `Hive.open_breaker`."""
        self._thread.run(self._hive.open_breaker, name, length=length, reason=reason)

    def close_breaker(self, name: str) -> bool:
        """Close a breaker; see `Hive.close_breaker`."""
        return self._thread.run(self._hive.close_breaker, name)

    def breakers(self) -> list[Breaker]:
        """Return the breakers that are not closed; see `Hive.breakers`."""
        return self._thread.run(self._hive.breakers)

    def _each_of(self, items: AsyncGenerator[ItemT]) -> Generator[ItemT]:
        async def next_item() -> ItemT | None:
            return await anext(items, None)

        try:
            while (item := self._thread.run(next_item)) is not None:
                yield item
        finally:
            # It ends by itself when the thread does, or when the wait for its next is called off.
            with suppress(UsageError, RuntimeError):
                self._thread.run(items.aclose)
