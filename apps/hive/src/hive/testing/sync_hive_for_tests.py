"""The same for tests without asyncio: the fixture `sync_hive`."""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any, Unpack

from hive.testing.capturing import Captured, capture_submits
from hive.testing.hive_for_tests import HiveForTests
from hive.testing.servers import HivePlace
from hive.testing.wanted import Work
from hive_client import SyncHive, TaskOptions
from hive_client.loop_thread import LoopThread
from hive_contracts.ids import TaskId
from hive_contracts.tasks import TaskRecord

__all__ = ["SyncHiveForTests"]


class SyncHiveForTests(SyncHive):
    """A Hive of a test's own. Each method does what the one of `HiveForTests` does."""

    def __init__(self, thread: LoopThread[HiveForTests], place: HivePlace) -> None:
        super().__init__(thread)
        self._tested = thread
        self._place = place

    @classmethod
    @contextmanager
    def at(
        cls, place: HivePlace, opening: AbstractAsyncContextManager[HiveForTests] | None = None
    ) -> "Generator[SyncHiveForTests]":
        """Give a Hive that works at `place`, or one that `opening` gives there."""
        with LoopThread[HiveForTests].open(lambda: opening or place.connect()) as thread:
            yield cls(thread, place)

    def drain(
        self,
        *,
        queue: str | None = None,
        with_scheduled: bool = False,
        at_most: int | None = None,
        raising: bool = True,
        allow: Sequence[str] = (),
    ) -> list[TaskRecord]:
        """Run here what is queued; see `HiveForTests.drain`.

        It runs on a loop of its own in this thread, so that functions run in the test's thread.
        """

        async def run() -> list[TaskRecord]:
            async with self._place.connect() as hive:
                try:
                    return await hive.drain(
                        queue=queue,
                        with_scheduled=with_scheduled,
                        at_most=at_most,
                        raising=raising,
                        allow=allow,
                    )
                finally:
                    self._tested.resource.travelled += hive.travelled

        # With a factory it leaves the thread's current loop, which may be the tests', as it is.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(run())

    def now(self) -> datetime:
        """Return what time it is for the tasks; see `HiveForTests.now`."""
        return self._tested.run(self._tested.resource.now)

    def travel(self, by: timedelta) -> None:
        """Make it so much later; see `HiveForTests.travel`."""
        self._tested.run(self._tested.resource.travel, by)

    def travel_to(self, moment: datetime) -> None:
        """Make it `moment`; see `HiveForTests.travel_to`."""
        self._tested.run(self._tested.resource.travel_to, moment)

    def lose_worker(self, task_id: TaskId) -> TaskRecord:
        """Have a task's worker be gone for good; see `HiveForTests.lose_worker`."""
        return self._tested.run(self._tested.resource.lose_worker, task_id)

    def submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> list[TaskRecord]:
        """Return the tasks that were submitted like this; see `HiveForTests.submitted`."""
        return self._tested.run(self._tested.resource.submitted, work, payload, **options)

    def assert_submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        *,
        count: int | None = None,
        **options: Unpack[TaskOptions],
    ) -> list[TaskRecord]:
        """Return the tasks submitted like this; see `HiveForTests.assert_submitted`."""
        __tracebackhide__ = True
        hive = self._tested.resource
        return self._tested.run(hive.assert_submitted, work, payload, count=count, **options)

    def assert_nothing_submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        """Return if no task was submitted like this; see `HiveForTests`."""
        __tracebackhide__ = True
        hive = self._tested.resource
        self._tested.run(hive.assert_nothing_submitted, work, payload, **options)

    def capture_submits(self) -> AbstractContextManager[Captured]:
        """Return a context that gives what this process submits within; see `capture_submits`."""
        return capture_submits()
