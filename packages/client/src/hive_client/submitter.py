"""Submit tasks: commands, functions, anything that some worker knows the kind of.

    await hive.submit("command", {"argv": ["uname", "-a"]}, timeout=timedelta(minutes=1))
    await hive.submit(resize, path="a.png", width=300)
    await hive.with_options(queue="images").submit(resize, path="a.png", width=300)

What stands behind a function is the function's own, every name of it; so its options stand before.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, ParamSpec, TypeVar, Unpack, overload

from hive_bus.bus import Bus
from hive_client.options import TaskOptions, all_treated, merged, treated
from hive_client.payloads import check_payload_if_known, refuse_what_is_not_json
from hive_client.references import call
from hive_contracts.errors import UsageError
from hive_contracts.events import CancelRequest, Event, EventFrame, EventType
from hive_contracts.ids import TaskId
from hive_contracts.tasks import IfParentFails, NewTask, Submitted
from hive_store import Connection, TaskStore

__all__ = ["CHUNK_TASKS", "Submitter", "chunks", "new_task"]

P = ParamSpec("P")
ItemT = TypeVar("ItemT")

CHUNK_TASKS: Final = 1000
TOLD_TASKS: Final = 1000
"""Most tasks in one event on the bus; with 100,000 it would be a message of almost 1 MB."""


class Submitter:
    """Where work is handed in, with what every task from here has in common."""

    def __init__(
        self,
        tasks: TaskStore,
        bus: Bus | None,
        *,
        options: TaskOptions | None = None,
        connection: Connection | None = None,
    ) -> None:
        self.tasks = tasks
        """All that can be asked of tasks."""

        self._bus = bus
        self._options: TaskOptions = options or {}
        self._connection = connection

    def with_options(self, **options: Unpack[TaskOptions]) -> "Submitter":
        """Return where to submit tasks that shall all be treated so."""
        return Submitter(
            self.tasks,
            self._bus,
            options=merged(self._options, options),
            connection=self._connection,
        )

    def within(self, connection: Connection) -> "Submitter":
        """Return where to submit tasks as a part of the transaction that is open on `connection`.

        They are there when it commits, and then queens are woken; if it is rolled back, they never
        were. Their ids are known before.

        Args:
            connection: of asyncpg, or from one of its pools, to the database that Hive uses.
        """
        return Submitter(self.tasks, self._bus, options=self._options, connection=connection)

    @overload
    async def submit(
        self, kind: str, /, payload: Any = None, **options: Unpack[TaskOptions]
    ) -> TaskId: ...

    @overload
    async def submit(
        self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> TaskId: ...

    async def submit(self, work: str | Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskId:
        """Submit one task; return its id once it is durable.

        Args:
            work: the name of a kind (`command`, ...), or a function, which becomes a `call` task.
            args: for a kind its payload: plain values (None, bool, int, float, str, and lists
                and dicts of them). For a function its own arguments.
            kwargs: for a kind the options of the task (see `TaskOptions`). For a function its own
                arguments; the task's options are given by `with_options`.

        Raises:
            RefusedTaskError: it may not be submitted as it stands; the message says why.
            MalformedPayloadError: the kind is installed here, and refuses the payload.
            StoreUnavailableError: Postgres did not answer; the task may or may not be there.
        """
        task = new_task(self._options, work, *args, **kwargs)
        [task_id] = await self._submit([task])
        return task_id

    async def submit_many(
        self,
        tasks: Iterable[NewTask],
        *,
        on_success: NewTask | None = None,
        on_finished: NewTask | None = None,
    ) -> list[TaskId]:
        """Submit tasks, all or none, however many; return their ids in the order given.

        All are in one transaction: 100,000 small ones take a second or two. `call` makes tasks of
        functions. Raises as `submit` does, but payloads are not held against their kinds.

        Args:
            tasks: what to submit. One may come after others before it, by their `name`.
            on_success: one more, for when all of them have succeeded; its id comes behind theirs.
            on_finished: one more, for when all have ended, however; its id comes last.
        """
        given = all_treated(tasks, self._options)
        return await self._submit(with_followers(given, on_success, on_finished))

    async def hand_in(self, tasks: Iterable[NewTask]) -> list[Submitted]:
        """Submit tasks as `submit_many` does; return in the order given what came of each.

        It differs only for tasks with a `unique_key`: it says whether a task is new, or the earlier
        one whose id it returns.
        """
        return await self._hand_in(all_treated(tasks, self._options))

    async def submit_in_chunks(
        self,
        tasks: Iterable[NewTask] | AsyncIterable[NewTask],
        *,
        chunk_tasks: int = CHUNK_TASKS,
    ) -> AsyncGenerator[list[TaskId]]:
        """Submit tasks as they come, without end if need be; give the ids of each chunk.

        Each chunk is submitted all or none, when the next one is asked for. When the submit of a
        chunk fails, the chunks before it are there and stay.

        Raises:
            UsageError: a chunk would hold no task.
        """
        if chunk_tasks < 1:
            raise UsageError(f"chunk_tasks is 1 or more, not {chunk_tasks}")
        if isinstance(tasks, AsyncIterable):
            async for chunk in _async_chunks(tasks, chunk_tasks):
                yield await self.submit_many(chunk)
            return
        for chunk in chunks(tasks, chunk_tasks):
            yield await self.submit_many(chunk)

    async def _submit(self, tasks: Sequence[NewTask]) -> list[TaskId]:
        if not tasks:
            return []
        if any(task.unique_key is not None for task in tasks):
            return [submitted.id for submitted in await self._hand_in(tasks)]
        if self._connection is not None:
            # Nobody is told on the bus: whether and when they will be there is for the caller.
            return await self.tasks.submit(tasks, connection=self._connection)
        task_ids = await self.tasks.submit(tasks, on_called_off=self._call_off)
        self._tell(EventType.QUEUED, task_ids)
        return task_ids

    async def _hand_in(self, tasks: Sequence[NewTask]) -> list[Submitted]:
        if not tasks:
            return []
        if self._connection is not None:
            return await self.tasks.hand_in(tasks, connection=self._connection)
        handed_in = await self.tasks.hand_in(tasks, on_called_off=self._call_off)
        self._tell(EventType.QUEUED, [each.id for each in handed_in if each.is_new])
        return handed_in

    def _call_off(self, task_ids: Sequence[TaskId]) -> None:
        if self._bus is not None:
            self._bus.tell(CancelRequest(tuple(task_ids)))

    def _tell(self, what: EventType, task_ids: Sequence[TaskId]) -> None:
        if self._bus is not None:
            for part in chunks(task_ids, TOLD_TASKS):
                self._bus.tell(EventFrame((Event(type=what, task_ids=tuple(part)),)))


def with_followers(
    tasks: Sequence[NewTask], on_success: NewTask | None, on_finished: NewTask | None
) -> Sequence[NewTask]:
    """Return `tasks`, and behind them what comes after all of them."""
    wishes = {IfParentFails.CANCEL: on_success, IfParentFails.RUN: on_finished}
    followers = {wish: task for wish, task in wishes.items() if task is not None}
    if not followers or not tasks:
        return [*tasks, *followers.values()]
    named = [
        task if task.name is not None else replace(task, name=f"hive:{place}")
        for place, task in enumerate(tasks)
    ]
    names = [task.name for task in named if task.name is not None]
    return [
        *named,
        *(
            replace(task, after=[*task.after, *names], if_parent_fails=wish)
            for wish, task in followers.items()
        ),
    ]


def new_task(
    options: TaskOptions, work: str | Callable[..., Any], /, *args: Any, **kwargs: Any
) -> NewTask:
    """Return the task that `Submitter.submit` submits."""
    if isinstance(work, str):
        return _of_kind(options, work, *args, **kwargs)
    return treated(call(work, *args, **kwargs), options)


def _of_kind(
    first: TaskOptions, kind: str, /, payload: Any = None, **options: Unpack[TaskOptions]
) -> NewTask:
    task = NewTask(kind=kind, payload={} if payload is None else payload)
    refuse_what_is_not_json(task.payload, f"the payload of a {kind} task")
    check_payload_if_known(kind, task.payload)
    return treated(task, merged(first, options))


def chunks(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """Cut `items` into lists of `size`, the last one perhaps shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


async def _async_chunks(items: AsyncIterable[ItemT], size: int) -> AsyncGenerator[list[ItemT]]:
    chunk: list[ItemT] = []
    async for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
