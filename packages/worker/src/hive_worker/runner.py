"""Run one attempt through its executor, to an outcome that can be written."""

import asyncio
import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from hive_contracts.clocks import Clock
from hive_contracts.errors import StaleLeaseError, UnknownKindError, UnstorableValueError
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import (
    Cancelled,
    Failed,
    Outcome,
    Released,
    Succeeded,
    TimedOut,
    backoff,
    move_for,
    name_of,
)
from hive_contracts.states import Move
from hive_contracts.tasks import Task
from hive_contracts.wire import encode_json
from hive_store.worker_store import Ending, LeasedTask
from hive_worker.attempts import RunningAttempt
from hive_worker.executors import Executors
from hive_worker.holdings import Holdings
from hive_worker.settings import WorkerSettings

__all__ = ["Records", "Runner"]


class Records(Protocol):
    """Where a runner leaves what must be written."""

    def record(self, ending: Ending, attempt: RunningAttempt | None, task: Task) -> None:
        """Have an ending written soon."""
        ...

    async def write_start(self, attempt: RunningAttempt) -> None:
        """Write a start; return once it is durable."""
        ...

    async def wait_for_room(self) -> None:
        """Return once not too many outcomes are unwritten."""
        ...


class Runner:
    """Runs attempts, and knows which are running."""

    def __init__(
        self,
        executors: Executors,
        records: Records,
        holdings: Holdings,
        *,
        settings: WorkerSettings,
        clock: Clock,
    ) -> None:
        self._executors = executors
        self._records = records
        self._holdings = holdings
        self._settings = settings
        self._clock = clock
        self.running: dict[TaskId, RunningAttempt] = {}

    async def run(self, leased: LeasedTask) -> None:
        """Run an attempt to its end, whatever that is, and have it recorded."""
        task = leased.task
        if leased.is_cancelled:
            self.give_up(task, Cancelled())
            return
        if not self._holdings.holds(task.lease_id):
            return
        await self._records.wait_for_room()
        attempt = RunningAttempt(
            task,
            began_at=self._clock.seconds(),
            output_cap_bytes=self._settings.output_cap_bytes,
            write_start=self._records.write_start,
        )
        self.running[task.id] = attempt
        try:
            outcome = await self._outcome(attempt)
        except StaleLeaseError:
            self._holdings.drop(task.lease_id)
            return
        finally:
            del self.running[task.id]
        run_seconds = self._clock.seconds() - attempt.began_at
        self._records.record(self._ending(task, outcome, run_seconds), attempt, task)

    def give_up(self, task: Task, outcome: Outcome) -> None:
        """Record the end of a task that never got a slot."""
        if self._holdings.holds(task.lease_id):
            self._records.record(self._ending(task, outcome, None), None, task)

    def call_off(self, task_ids: Iterable[TaskId], verdict: Outcome) -> None:
        """Stop those of the tasks that run here; each ends with `verdict`."""
        for task_id in task_ids:
            attempt = self.running.get(task_id)
            if attempt is not None:
                attempt.call_off(verdict)

    def call_off_lease(self, lease_id: LeaseId, verdict: Outcome) -> None:
        """Stop what runs under a lease."""
        for attempt in list(self.running.values()):
            if attempt.task.lease_id == lease_id:
                attempt.call_off(verdict)

    async def _outcome(self, attempt: RunningAttempt) -> Outcome:
        """Return how the attempt ended. Being called off is an outcome; the worker's end is not."""
        try:
            outcome = await self._executed(attempt)
        except asyncio.CancelledError:
            if attempt.verdict is None:
                raise
            outcome = attempt.verdict
        if attempt.verdict is None:
            return outcome
        self._forgive_cancellation()
        # It may have succeeded in the very moment it was called off; that is then what happened.
        return outcome if isinstance(outcome, Succeeded) else attempt.verdict

    @staticmethod
    def _forgive_cancellation() -> None:
        """Let the slot live on: the cancellation was the attempt's alone."""
        slot = asyncio.current_task()
        while slot is not None and slot.cancelling():
            slot.uncancel()

    async def _executed(self, attempt: RunningAttempt) -> Outcome:
        task = attempt.task
        try:
            executor = await self._executors.of_kind(task.kind)
        except UnknownKindError as error:
            return Failed(f"{error} (by this worker)", is_retryable=False)
        if task.writes_start:
            await attempt.announce_start()
        if task.timeout is None:
            return await executor.run(attempt)
        limit = asyncio.timeout(task.timeout.total_seconds())
        try:
            async with limit:
                return await executor.run(attempt)
        except TimeoutError:
            if not limit.expired():
                raise
            return TimedOut(task.timeout)

    def _ending(self, task: Task, outcome: Outcome, run_seconds: float | None) -> Ending:
        """Return what to write; a result that cannot be stored fails the attempt, and says so."""
        try:
            result = _result_of(outcome)
        except UnstorableValueError as error:
            outcome, result = Failed(f"its result was refused: {error}", is_retryable=False), None
        move = move_for(outcome, failures=task.failures, max_attempts=task.max_attempts)
        return Ending(
            task_id=task.id,
            lease_id=task.lease_id,
            move=move,
            outcome=name_of(outcome),
            result=result,
            error=_error_of(outcome),
            backoff_seconds=self._backoff_seconds(task) if move is Move.RETRY else None,
            run_seconds=run_seconds,
        )

    def _backoff_seconds(self, task: Task) -> float:
        return backoff(
            task.failures + 1,
            base=timedelta(seconds=self._settings.retry_base_seconds),
            cap=timedelta(seconds=self._settings.retry_cap_seconds),
            jitter=random.random(),  # noqa: S311 - spreads load, guards nothing
        ).total_seconds()


def _result_of(outcome: Outcome) -> str | None:
    match outcome:
        case Succeeded():
            return encode_json(outcome.result)
        case Failed() if outcome.result is not None:
            return encode_json(outcome.result)
        case _:
            return None


def _error_of(outcome: Outcome) -> str | None:
    match outcome:
        case Failed():
            return _storable(outcome.error)
        case TimedOut():
            return f"it ran longer than its time-out of {outcome.limit.total_seconds():g} s"
        case Released():
            return _storable(outcome.reason)
        case _:
            return None


def _storable(text: str) -> str:
    """Return `text` as Postgres can store it: no NUL, no lone surrogate."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
