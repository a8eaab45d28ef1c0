"""What this process submits while a block of code runs, also what its transaction then takes back.

It is seen where every submit of this process passes: of any `Hive` and `SyncHive`, in any thread,
also within the caller's own transaction. What other processes and plain SQL submit is not seen.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

from hive.testing.asserting import assert_count, assert_none, fitting
from hive.testing.wanted import Wanted, Work
from hive_client import TaskOptions
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask, Submitted, default_max_attempts
from hive_contracts.wire import decode_json, encode_json
from hive_store import Connection, TaskStore

__all__ = ["Captured", "CapturedTask", "capture_submits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedTask:
    """A task as it was submitted."""

    id: TaskId
    kind: str
    payload: Any
    """As JSON gives it back."""

    queue: str
    group: str | None
    key: str | None
    unique_key: str | None
    expires_at: datetime | None
    needs: tuple[str, ...]
    priority: int
    max_attempts: int
    max_losses: int
    timeout: timedelta | None
    silence_timeout: timedelta | None
    created_at: datetime
    run_at: datetime
    """When it is due: if its submitter does not say, then `created_at`."""


@dataclass(slots=True)
class Captured:
    """What was submitted, in the order in which the submits returned."""

    tasks: list[CapturedTask] = field(default_factory=list[CapturedTask])

    def submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> list[CapturedTask]:
        """Return those that are like this; see `HiveForTests.submitted`."""
        return fitting(self.tasks, Wanted(work=work, payload=payload, options=options))

    def assert_submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        *,
        count: int | None = None,
        **options: Unpack[TaskOptions],
    ) -> list[CapturedTask]:
        """Return those that are like this; see `HiveForTests.assert_submitted`.

        Raises:
            AssertionError: there are none, or not `count`.
        """
        __tracebackhide__ = True
        wanted = Wanted(work=work, payload=payload, options=options)
        return assert_count(self.tasks, wanted, count)

    def assert_nothing_submitted(
        self,
        work: Work | None = None,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        """Return if none is like this; see `HiveForTests.assert_nothing_submitted`.

        Raises:
            AssertionError: some are.
        """
        __tracebackhide__ = True
        assert_none(self.tasks, Wanted(work=work, payload=payload, options=options))


@contextmanager
def capture_submits() -> Generator[Captured]:
    """Give what this process submits within the body. It is submitted all the same."""
    captured = Captured()
    before, before_ids = TaskStore.hand_in, TaskStore.submit

    async def hand_in(
        self: TaskStore,
        tasks: Sequence[NewTask],
        *,
        connection: Connection | None = None,
        on_called_off: Callable[[list[TaskId]], None] | None = None,
    ) -> list[Submitted]:
        handed_in = await before(self, tasks, connection=connection, on_called_off=on_called_off)
        for submitted, task in zip(handed_in, tasks, strict=True):
            if submitted.is_new:
                captured.tasks.append(_captured(submitted.id, task))
        return handed_in

    async def submit(
        self: TaskStore,
        tasks: Sequence[NewTask],
        *,
        connection: Connection | None = None,
        on_called_off: Callable[[list[TaskId]], None] | None = None,
    ) -> list[TaskId]:
        ids = await before_ids(self, tasks, connection=connection, on_called_off=on_called_off)
        captured.tasks += map(_captured, ids, tasks)
        return ids

    TaskStore.hand_in, TaskStore.submit = hand_in, submit
    try:
        yield captured
    finally:
        TaskStore.hand_in, TaskStore.submit = before, before_ids


def _captured(task_id: TaskId, task: NewTask) -> CapturedTask:
    now = datetime.now(UTC)
    return CapturedTask(
        id=task_id,
        kind=task.kind,
        payload=decode_json(encode_json(task.payload)),
        queue=task.queue,
        group=task.group,
        key=task.key,
        unique_key=task.unique_key,
        expires_at=task.expires_at,
        needs=tuple(task.needs),
        priority=task.priority,
        max_attempts=task.max_attempts or default_max_attempts(task.kind),
        max_losses=task.max_losses,
        timeout=task.timeout,
        silence_timeout=task.silence_timeout,
        created_at=now,
        run_at=task.run_at or now,
    )
