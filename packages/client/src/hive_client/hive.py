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
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, Self

from hive_bus.bus import Bus
from hive_client.cancelling import CalledOff, call_off_all
from hive_client.event_stream import EventStream, checked_cursor, event_filter
from hive_client.insisting import in_states, insist
from hive_client.local_hive import find_local_hive
from hive_client.lookout import Lookout
from hive_client.submitter import Submitter
from hive_client.subscriber import Names, Subscriber
from hive_contracts.errors import ConfigurationError, UsageError
from hive_contracts.events import CancelRequest, Cursor, Event, EventType
from hive_contracts.ids import TaskId
from hive_contracts.limits import Breaker, Limit, LimitScope, UsedLimit
from hive_contracts.selecting import Selection
from hive_contracts.spending import Budget, UsedBudget
from hive_contracts.states import TERMINAL_STATES, WAITING_STATES, TaskState
from hive_contracts.tasks import TaskRecord
from hive_sealing import SealingSettings, open_sealer, sealing_from_environment
from hive_store import (
    EndedTask,
    EventFilter,
    EventLog,
    SubscriberStore,
    TaskStore,
    open_line,
)
from hive_store.budget_store import BudgetStore
from hive_store.control_store import ControlStore
from hive_store.deeds import myself
from hive_store.task_ids import checked_ids

if TYPE_CHECKING:
    from hive_client.schedules import Schedules

__all__ = ["Hive"]

DEFAULT_PREFIX: Final = "hive"


class Hive(Submitter):
    """A Hive to give work to. Get one from `connect`."""

    def __init__(
        self, tasks: TaskStore, bus: Bus | None, *, lookout: Lookout, names: Names
    ) -> None:
        super().__init__(tasks, bus)
        self._names = names
        self.lookout = lookout
        """Waits for the ends of tasks, for all who wait."""

    @cached_property
    def schedules(self) -> "Schedules":
        """What is submitted again and again."""
        from hive_client.schedules import Schedules  # noqa: PLC0415 - few programs need them
        from hive_store import ScheduleStore  # noqa: PLC0415

        return Schedules(ScheduleStore(self.tasks.line, sealer=self.tasks.sealer))

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        database_url: str | None = None,
        redis_url: str | None = None,
        *,
        redis_prefix: str | None = None,
        sealing: SealingSettings | None = None,
    ) -> AsyncGenerator[Self]:
        """Give a Hive; it connects when it is first used.

        Args:
            database_url: Postgres; None for what HIVE_DATABASE_URL says, else for the Hive that
                `hive up` runs on this machine.
            redis_url: Redis; None for what HIVE_REDIS_URL says, else for that of the same
                `hive up`. Without one everything works, but results are noticed by polling.
            redis_prefix: what queens and workers use; None for what HIVE_REDIS_PREFIX says, else
                for "hive".
            sealing: how payloads are signed and encrypted; None for what HIVE_SEALING_... variables
                say, else for not at all.

        Raises:
            ConfigurationError: no database is named, and no `hive up` runs here; or a key that is
                named cannot be used.
        """
        database, redis = _servers(database_url, redis_url)
        prefix = redis_prefix or os.environ.get("HIVE_REDIS_PREFIX") or DEFAULT_PREFIX
        sealer = open_sealer(sealing or sealing_from_environment(os.environ))
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(open_line(database))
            bus = await stack.enter_async_context(Bus.open(redis, prefix=prefix)) if redis else None
            yield await stack.enter_async_context(cls.over(TaskStore(line, sealer=sealer), bus))

    @classmethod
    @asynccontextmanager
    async def over(cls, tasks: TaskStore, bus: Bus | None) -> AsyncGenerator[Self]:
        """Give a Hive over a store and a bus that are open, and stay so."""
        async with (
            Lookout.open(tasks, bus) as lookout,
            Names.open(SubscriberStore(tasks.line)) as names,
        ):
            yield cls(tasks, bus, lookout=lookout, names=names)

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
            UnknownTaskError: there is no task of one of these ids, and none is given then; or one
                was deleted before its end was seen.
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

    async def events(
        self,
        *,
        after: Cursor | str | None = None,
        types: Iterable[str] = (),
        tasks: Iterable[TaskId] = (),
        group: str | None = None,
        queue: str | None = None,
        kind: str | None = None,
    ) -> AsyncGenerator[Event]:
        """Give what happens to tasks, in the order of the log, for ever.

        Outlives servers that are away for a while. The cursor of each event is where to go on
        behind it, in this program or in another.

        Args:
            after: the cursor of the last event that was handled, or its text; `Cursor()` for the
                beginning of the log; None for what happens from now on.
            types: of these alone; none for any.
            tasks: of these alone; none for any. An event of many tasks is cut down to those wanted.
            group: of tasks of this group alone.
            queue: of tasks of this queue alone.
            kind: of tasks of this kind alone.

        Raises:
            LostEventsError: the log does not hold all that came behind `after`.
            UsageError: an argument is none that can be meant; the message says which.
        """
        wanted = event_filter(types=types, tasks=tasks, group=group, queue=queue, kind=kind)
        cursor = await self._log_end() if after is None else checked_cursor(after)
        stream = EventStream(self.tasks.line, self.lookout.news, wanted, cursor)
        with self.lookout.news.stirring() as stirred:
            while True:
                for event in await stream.read_on(stirred):
                    yield event

    @asynccontextmanager
    async def subscriber(
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
    ) -> AsyncGenerator[Subscriber]:
        """Give a reader of events whose place Postgres keeps, under a name that nobody else has.

        Each event is given at least once, over the end of this program and the start of the next.

        Args:
            name: of the reader; its place is kept as long as the database.
            begin: where a new name begins, as `after` of `events`; one that is known goes on.
            commits: whether what was handled is noted by itself: page by page (1,000 events at
                most), and at the end of the context. If not, by `commit` alone.
            types: as in `events`, like those below.
            tasks: of these alone.
            group: of tasks of this group alone.
            queue: of tasks of this queue alone.
            kind: of tasks of this kind alone.

        Raises:
            UsageError: another process reads under the name, or an argument is none that can be
                meant; the message says which.
        """
        wanted = event_filter(types=types, tasks=tasks, group=group, queue=queue, kind=kind)
        subscriber = await self.open_subscriber(name, wanted, begin=begin, commits=commits)
        try:
            yield subscriber
        finally:
            await subscriber.close()

    async def open_subscriber(
        self, name: str, wanted: EventFilter, *, begin: Cursor | str | None, commits: bool
    ) -> Subscriber:
        """Return the reader that `subscriber` gives; who asks for it here closes it."""
        place = await self._log_end() if begin is None else checked_cursor(begin)
        holder, cursor = await self._names.take(name, begin=place)
        stream = EventStream(self.tasks.line, self.lookout.news, wanted, cursor)
        return Subscriber(name, holder, self._names, stream, commits=commits)

    async def _log_end(self) -> Cursor:
        return await EventLog(self.tasks.line).end()

    async def cancel(
        self, *task_ids: TaskId, reason: str | None = None, insists: bool = True
    ) -> dict[TaskId, TaskState]:
        """Call tasks off; return the state each is in now.

        A task that runs stays `running` until nothing of it is left; wait for it to see. A task
        that has ended already is not in the answer.

        Args:
            task_ids: the tasks.
            reason: why, for people who look at them.
            insists: whether a task that another transaction holds just now, as whatever writes to
                it does for a moment, is asked again for ten seconds; if not, it is left out.

        Raises:
            UsageError: an id is no whole number.
            HeldTaskError: another transaction held some of them all the time; the others are
                called off.
        """
        cancel = partial(self._cancel, reason=reason)
        if not insists:
            return await cancel(task_ids)
        unfinished = frozenset(TaskState) - TERMINAL_STATES
        open_to_it = in_states(self.tasks, unfinished)
        return await insist(cancel, task_ids, open_to_it=open_to_it)

    async def _cancel(
        self, task_ids: Sequence[TaskId], *, reason: str | None
    ) -> dict[TaskId, TaskState]:
        states = await self.tasks.cancel(task_ids, reason=reason)
        running = {i for i, state in states.items() if state not in TERMINAL_STATES}
        if self._bus is not None and running:
            self._bus.tell(CancelRequest(tuple(running)))
        self._tell(EventType.CANCELLED, [i for i in states if i not in running])
        return states

    async def park(
        self,
        *task_ids: TaskId,
        until: datetime | None = None,
        reason: str | None = None,
        insists: bool = True,
    ) -> list[TaskId]:
        """Set waiting tasks aside; return those that were: what runs or has ended is not.

        Args:
            task_ids: the tasks.
            until: when they go on by themselves (aware); None for only when they are unparked.
            reason: why, for people who look at them.
            insists: as in `cancel`.

        Raises:
            UsageError: an id is no whole number, or the moment has no time zone.
            HeldTaskError: another transaction held some of them all the time; the others are
                parked.
        """
        if until is not None and until.tzinfo is None:
            raise UsageError(f"until needs a time zone: {until.isoformat()}")
        park = partial(self._park, until=until, reason=reason)
        if not insists:
            return list(await park(task_ids))
        open_to_it = in_states(self.tasks, WAITING_STATES)
        return list(await insist(park, task_ids, open_to_it=open_to_it))

    async def _park(
        self, task_ids: Sequence[TaskId], *, until: datetime | None, reason: str | None
    ) -> dict[TaskId, TaskState]:
        parked = await self.tasks.park(task_ids, until=until, reason=reason, by=myself())
        self._tell(EventType.PARKED, parked)
        return dict.fromkeys(parked, TaskState.SCHEDULED)

    async def unpark(self, *task_ids: TaskId, insists: bool = True) -> dict[TaskId, TaskState]:
        """Let parked tasks go on; return those that were parked, and the state each is in now.

        Args:
            task_ids: the tasks.
            insists: as in `cancel`.

        Raises:
            UsageError: an id is no whole number.
            HeldTaskError: another transaction held some of them all the time; the others go on.
        """
        if not insists:
            return await self._unpark(task_ids)
        return await insist(self._unpark, task_ids, open_to_it=self.tasks.parked)

    async def _unpark(self, task_ids: Sequence[TaskId]) -> dict[TaskId, TaskState]:
        states = await self.tasks.unpark(task_ids, by=myself())
        self._tell(EventType.UNPARKED, list(states))
        return states

    async def answer(self, task_id: TaskId, text: str) -> TaskState:
        """Answer what a task asks; return its state: it is queued, unless it is parked as well.

        Its next attempt finds the answer. The audit log names the user of this system, or
        HIVE_AUDIT_ACTOR.

        Raises:
            UnknownTaskError: there is no such task.
            UsageError: it asks nothing, or does not take that answer; the message says what.
        """
        [wanted] = checked_ids([task_id])
        state = await self.tasks.answer(wanted, text, by=myself())
        if state is TaskState.QUEUED:
            self._tell(EventType.UNBLOCKED, [wanted])
        return state

    async def cancel_all(self, selection: Selection, *, reason: str | None = None) -> CalledOff:
        """Call off every unfinished task that fits, 1,000 in a transaction; return what came of it.

        Tasks that are submitted meanwhile are not among them. `hive.audit` says who did it, and why
        if there is a `reason`.

        Raises:
            UsageError: the selection says nothing, or names a state that cannot be cancelled.
        """
        cancel = partial(self._cancel, reason=reason)
        return await call_off_all(self.tasks, selection, cancel, reason=reason)

    async def show(self, task_id: TaskId) -> TaskRecord:
        """Return everything known of a task.

        Raises:
            UnknownTaskError: there is no such task.
            UsageError: the id is no whole number.
        """
        return await self.tasks.read(task_id)

    async def pause_queue(self, queue: str, *, reason: str | None = None) -> bool:
        """Have nothing of a queue claimed from now on; return False if it was paused before.

        What runs goes on. The audit log names the user of this system, or HIVE_AUDIT_ACTOR.

        Raises:
            UsageError: that is no name of a queue.
        """
        return await self._controls.pause(queue, reason=reason)

    async def resume_queue(self, queue: str) -> bool:
        """Have tasks of a paused queue claimed again; return False if it was not paused."""
        return await self._controls.resume(queue)

    async def drain_queue(
        self, queue: str, *, reason: str | None = None, within: timedelta | None = None
    ) -> None:
        """Pause a queue, and return when nobody has any of its tasks; it stays paused.

        Args:
            queue: the queue.
            reason: why, for those who wonder.
            within: how long to wait; None for as long as it takes.

        Raises:
            UsageError: that is no name of a queue, or `within` no timedelta.
            TimeoutError: somebody had one `within` that time; the queue stays paused all the same.
        """
        give_up_at = _moment_after(within)
        await self.pause_queue(queue, reason=reason)
        async with asyncio.timeout_at(give_up_at):
            async for _ in self._controls.leased_until_drained(queue):
                pass

    async def move(self, *task_ids: TaskId, queue: str) -> list[TaskId]:
        """Have tasks wait in another queue, and return those that do now.

        One that a worker or another transaction has, or that has ended, is not in the answer.

        Raises:
            UsageError: that is no name of a queue, or an id is no whole number.
        """
        return await self._controls.move(checked_ids(task_ids), queue=queue)

    async def set_limit(self, limit: Limit) -> None:
        """Have a limit hold for everything that is claimed from now on.

        Raises:
            UsageError: it is none; the message says why.
        """
        await self._controls.set_limit(limit)

    async def remove_limit(self, scope: LimitScope, target: str) -> bool:
        """Lift a limit; return False if there is none."""
        return await self._controls.remove_limit(scope, target)

    async def limits(self) -> list[UsedLimit]:
        """Return the limits, and how far each is used."""
        return await self._controls.limits()

    async def set_budget(self, budget: Budget) -> int:
        """Have a budget hold from now on; return how many tasks go on that it had set aside.

        Raises:
            UsageError: it is none; the message says why.
        """
        return await self._budgets.set(budget)

    async def remove_budget(self, name: str) -> int | None:
        """Lift a budget by its name; return how many tasks go on, None if there is none."""
        return await self._budgets.remove(name)

    async def budgets(self) -> list[UsedBudget]:
        """Return the budgets, and what is spent of each."""
        return await self._budgets.all()

    async def open_breaker(
        self, name: str, *, length: timedelta | None = None, reason: str | None = None
    ) -> None:
        """Have no task of a breaker begin from now on; None: until it is closed.

        Raises:
            UsageError: that is no name of a breaker, or the length is not from 0 to 366 days.
        """
        await self._controls.open_breaker(name, length=length, reason=reason)

    async def close_breaker(self, name: str) -> bool:
        """Close a breaker, and let all go who wait for it; return False if it was not open."""
        return await self._controls.close_breaker(name)

    async def breakers(self) -> list[Breaker]:
        """Return the breakers that are open, or that one task after another tries."""
        return await self._controls.breakers()

    @property
    def _budgets(self) -> BudgetStore:
        return BudgetStore(self.tasks.line, myself())

    @property
    def _controls(self) -> ControlStore:
        return self.tasks.controls_of(myself())


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
