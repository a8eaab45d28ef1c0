"""Run what is queued, one attempt after another, until nothing is due."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from hive.testing.inline_worker import InlineWorker
from hive_bus.bus import Bus
from hive_contracts.errors import TaskFailedError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_contracts.tasks import TaskRecord
from hive_store import TaskStore
from hive_store.rehearsal_store import RehearsalStore

__all__ = ["Drain"]

MOST_ATTEMPTS: Final = 1000
"""A task that submits itself again is due for ever; a test of that says how often it wants it."""

RETRIED: Final = frozenset({OutcomeName.FAILED, OutcomeName.TIMED_OUT})


class Drain:
    """One drain: what it ran, and how much time it let pass."""

    def __init__(
        self, tasks: TaskStore, bus: Bus, *, queue: str | None, with_scheduled: bool, raising: bool
    ) -> None:
        self._tasks = tasks
        self._bus = bus
        self._queue = queue
        self._with_scheduled = with_scheduled
        self._raising = raising
        self._rehearsal = RehearsalStore(tasks.line)
        self._errors: dict[TaskId, BaseException] = {}
        self.ran: list[TaskRecord] = []
        self.passed = timedelta(0)

    async def run(self, *, at_most: int | None, allow: Sequence[str]) -> None:
        """Run until nothing is due, or `at_most` attempts.

        Raises:
            TaskFailedError: an attempt ended otherwise than with success, and it is to be raised.
            UsageError: it does not come to an end, and `at_most` does not say where to stop.
        """
        limit = MOST_ATTEMPTS if at_most is None else at_most
        async with InlineWorker.open(
            self._tasks.line, self._bus, allow=allow, on_error=self._errors.__setitem__
        ) as worker:
            while len(self.ran) < limit:
                task_id = await worker.run_next(self._queue)
                if task_id is not None:
                    await self._take_note(task_id)
                elif not await self._pass_to_next():
                    return
        if at_most is None:
            raise UsageError(
                f"{limit} attempts have run and there are more: do tasks submit themselves again?"
                " Say how many to run with at_most"
            )

    async def _take_note(self, task_id: TaskId) -> None:
        record = await self._tasks.read(task_id)
        self.ran.append(record)
        if self._raising and self._has_failed(record):
            failure = TaskFailedError(task_id, "failed", record.error, record.result)
            raise failure from self._errors.get(task_id)

    def _has_failed(self, record: TaskRecord) -> bool:
        if (
            record.state in (TaskState.SUCCEEDED, TaskState.CANCELLED)
            or record.asked_at is not None
        ):
            return False
        will_be_retried = (
            record.state is TaskState.SCHEDULED and record.history[-1].outcome in RETRIED
        )
        return not (self._with_scheduled and will_be_retried)

    async def _pass_to_next(self) -> bool:
        """Have time pass until the next task is due; return whether there is one to wait for."""
        wait = await self._rehearsal.next_due(self._queue) if self._with_scheduled else None
        if wait is None:
            return False
        await self._rehearsal.pass_time(wait)
        self.passed += wait
        return True
