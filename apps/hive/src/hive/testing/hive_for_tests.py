"""The client that tests get: all that `Hive` has, and what makes a test of tasks short."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Final, Unpack

from hive.testing.asserting import assert_count, assert_none, fitting
from hive.testing.capturing import Captured, capture_submits
from hive.testing.draining import Drain
from hive.testing.losing import lose_worker
from hive.testing.wanted import Wanted, Work
from hive_bus.bus import Bus
from hive_client import Hive, TaskOptions
from hive_client.lookout import Lookout
from hive_client.subscriber import Names
from hive_contracts.errors import ConfigurationError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.tasks import TaskRecord
from hive_store import Selector, TaskStore
from hive_store.rehearsal_store import RehearsalStore

__all__ = ["HiveForTests"]

LONGEST_TRAVEL: Final = timedelta(days=50 * 365)
"""Claims begin with what fell due in 1970."""


class HiveForTests(Hive):
    """A Hive of a test's own. The fixture `hive` is one; `connect` gives another."""

    def __init__(
        self, tasks: TaskStore, bus: Bus | None, *, lookout: Lookout, names: Names
    ) -> None:
        super().__init__(tasks, bus, lookout=lookout, names=names)
        self.travelled = timedelta(0)
        """How much time was let pass, by `travel`, `travel_to` and `drain`."""

        self._rehearsal = RehearsalStore(tasks.line)

    async def drain(
        self,
        *,
        queue: str | None = None,
        with_scheduled: bool = False,
        at_most: int | None = None,
        raising: bool = True,
        allow: Sequence[str] = (),
    ) -> list[TaskRecord]:
        """Run here what is queued, one task after another, until nothing is due; return what ran.

        Tasks are claimed, accepted, run and finished as by a worker; what they submit runs too.
        There is a record for each attempt, of the task as it was when the attempt had ended.

        Args:
            queue: of this queue alone; None for all.
            with_scheduled: whether to let time pass until retries and future tasks are due, and
                run them too, until nothing waits.
            at_most: how many attempts to run; None for as many as there are, up to 1,000.
            raising: whether to stop with an error at the first attempt that fails; with
                `with_scheduled`, at the first that is not tried again.
            allow: modules whose functions run as on a worker that allows them, `def` ones in child
                processes. If none is named, all functions run inline: in this process and thread.

        Raises:
            TaskFailedError: an attempt failed; its cause is what an inline function has raised.
            UsageError: after 1,000 attempts there are more, or it has no Redis.
        """
        if self._bus is None:
            raise ConfigurationError("a drain tells the bus what it does: name a Redis")
        drain = Drain(
            self.tasks,
            self._bus,
            queue=queue,
            with_scheduled=with_scheduled,
            raising=raising,
        )
        try:
            await drain.run(at_most=at_most, allow=allow)
        finally:
            self.travelled += drain.passed
        return drain.ran

    async def now(self) -> datetime:
        """Return what time it is for the tasks: the database's, and what was travelled."""
        return await self._rehearsal.now() + self.travelled

    async def travel(self, by: timedelta) -> None:
        """Make it so much later for all that is there: what was due by then is due now.

        Nothing is run. Postgres' clock stays; the moments that are stored move back. Whatever holds
        a lease does not renew it meanwhile, and loses it if that is longer than it lasts.

        Raises:
            UsageError: it leads back, or further than 50 years.
        """
        if not timedelta(0) <= by <= LONGEST_TRAVEL:
            raise UsageError(f"time goes on, and by 50 years at most, not by {by}")
        await self._rehearsal.pass_time(by)
        self.travelled += by

    async def travel_to(self, moment: datetime) -> None:
        """Make it `moment` (aware), as `now` tells it, for all that is there; see `travel`.

        Raises:
            UsageError: it has passed, is more than 50 years ahead, or has no time zone.
        """
        if moment.tzinfo is None:
            raise UsageError(f"a moment needs a time zone: {moment.isoformat()}")
        await self.travel(moment - await self.now())

    async def lose_worker(self, task_id: TaskId) -> TaskRecord:
        """Have a task's worker be gone for good, and its lease run out; return the task then.

        The attempt counts as lost if it had started. A queued task is begun first, by a worker that
        is never heard of again; tasks ahead of it in its queue are claimed and given back.

        Raises:
            UnknownTaskError: there is no such task.
            UsageError: it has ended, or is not due.
        """
        return await lose_worker(self.tasks, task_id)

    async def submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> list[TaskRecord]:
        """Return the tasks that were submitted like this, in the order of their ids.

        Args:
            work: the name of a kind, or a function; None for anything.
            payload: part of the payload; for a function, some of its arguments by their names,
                however they were given.
            options: the options they must have. A `delay` is met if it is met by a minute.

        Raises:
            UsageError: the payload is no mapping.
        """
        wanted = Wanted(work=work, payload=payload, options=options)
        return fitting(await self._everything(), wanted)

    async def assert_submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        *,
        count: int | None = None,
        **options: Unpack[TaskOptions],
    ) -> list[TaskRecord]:
        """Return the tasks that were submitted like this; see `submitted`.

        Args:
            work: as for `submitted`.
            payload: as for `submitted`.
            count: how many there must be; None for one or more.
            options: as for `submitted`.

        Raises:
            AssertionError: there are none, or not `count`; the message says what there is.
        """
        __tracebackhide__ = True
        wanted = Wanted(work=work, payload=payload, options=options)
        return assert_count(await self._everything(), wanted, count)

    async def assert_nothing_submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        """Return if no task was submitted like this, by default if none was at all.

        Raises:
            AssertionError: some were; the message says which.
        """
        __tracebackhide__ = True
        assert_none(await self._everything(), Wanted(work=work, payload=payload, options=options))

    def capture_submits(self) -> AbstractContextManager[Captured]:
        """Return a context that gives what this process submits within; see `capture_submits`."""
        return capture_submits()

    async def _everything(self) -> list[TaskRecord]:
        found: list[TaskRecord] = []
        async for page in Selector(self.tasks.line).pages_of_ids(Selection()):
            found += await self.tasks.read_many(page)
        return sorted(found, key=lambda record: record.id)
