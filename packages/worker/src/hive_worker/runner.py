"""Run one attempt through its executor, to an outcome that can be written.

An executor is a guest. Whatever it raises, returns or cancels, the attempt ends with an outcome
that says so, and its neighbours in the worker go on: one faulty executor must not cost the leases
of every task that runs beside it. (Loops of Hive's own are held to the opposite: what they do not
understand ends the process.) Only what is meant for the whole process passes: `SystemExit`, and the
cancellation that ends the worker.

An attempt is cancelled at most once, by whoever calls it off first: its time-out, a person, a lost
lease, a drain. A second cancellation would interrupt an executor that is killing its processes.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Protocol

from hive_contracts.clocks import Clock
from hive_contracts.errors import (
    LostRaceError,
    OpenBreakerError,
    RefusedTaskError,
    SpentBudgetError,
    UnavailableError,
    UnknownKindError,
    UnstorableValueError,
    UsageError,
)
from hive_contracts.execution import Executor
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import (
    Asked,
    Cancelled,
    Failed,
    Outcome,
    OutcomeName,
    Parked,
    Released,
    Silent,
    Succeeded,
    TimedOut,
    backoff,
    move_for,
    name_of,
)
from hive_contracts.retrying import TIMED_OUT, Retry, retry_in
from hive_contracts.sealing import Sealer
from hive_contracts.states import Move
from hive_contracts.tasks import NewTask, ParentResult, Question
from hive_store.submitting import sealed
from hive_store.worker_store import Ending, LeasedTask
from hive_telemetry.logs import logger
from hive_worker.attempts import RunningAttempt
from hive_worker.executors import Executors
from hive_worker.holdings import Holdings
from hive_worker.settings import WorkerSettings
from hive_worker.told import error_of, options_of, refuse_oversize, refused, result_of

__all__ = ["GONE", "Records", "Runner"]

GONE: Final = Released("its lease is gone")
GIVE_BACK_SECONDS: Final = 1.0
KEPT_PAUSE: Final = timedelta(milliseconds=100)
"""What a task that its breaker keeps is given back for."""

LONGEST_PAUSE: Final = timedelta(seconds=60)
"""Between two looks for a worker that has what a task needs; the first look comes soon."""


class Records(Protocol):
    """Where a runner leaves what must be written."""

    def record(self, ending: Ending, attempt: RunningAttempt | None, task: Task) -> None:
        """Have an ending written soon."""
        ...

    async def write_start(self, attempt: RunningAttempt) -> None:
        """Write a start; return once it is durable."""
        ...

    async def read_parents(self, task_id: TaskId) -> Sequence[ParentResult]:
        """Return what became of the tasks that a task comes after."""
        ...

    async def read_answers(self, task_id: TaskId) -> Sequence[Question]:
        """Return what a task asked and was answered, in order."""
        ...

    async def spend(self, attempt: RunningAttempt) -> str | None:
        """Write what an attempt has spent; return which budget is used up, if one is."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether not too many outcomes are unwritten."""
        ...

    async def wait_for_room(self) -> None:
        """Return once there is room."""
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
        sealer: Sealer | None = None,
    ) -> None:
        self._executors = executors
        self._records = records
        self._holdings = holdings
        self._settings = settings
        self._clock = clock
        self._sealer = sealer
        # To ask which loop runs takes a call of the kernel: a microsecond, for every task.
        self._loop = asyncio.get_running_loop()
        self.running: dict[TaskId, RunningAttempt] = {}
        self.on_abandoned: Callable[[asyncio.Task[Any]], None] = lambda _slot: None
        """Called with the slot in which an attempt runs on that was abandoned."""

    async def run(self, leased: LeasedTask) -> None:
        """Run an attempt to its end, whatever that is, and have it recorded."""
        task = leased.task
        if leased.is_cancelled:
            self.give_up(task, Cancelled())
            return
        if not self._holdings.holds(task.lease_id):
            return
        if task.id in self.running:
            # An earlier attempt, under a lease that is gone, has not come to its end.
            await asyncio.sleep(GIVE_BACK_SECONDS)
            self.give_up(task, Released("an earlier attempt of it is still being stopped here"))
            return
        attempt = RunningAttempt(
            task,
            began_at=self._clock.seconds(),
            output_cap_bytes=self._settings.output_cap_bytes,
            desk=self,
            slot=asyncio.current_task(self._loop),
        )
        self.running[task.id] = attempt
        try:
            outcome = await self._outcome(attempt)
        finally:
            is_abandoned = attempt.is_over
            if not is_abandoned:
                attempt.end()
                del self.running[task.id]
        if is_abandoned:
            logger(__name__).info("what was abandoned has stopped", task=task.id)
            return
        run_seconds = self._clock.seconds() - attempt.began_at
        self._records.record(self._ending(task, outcome, run_seconds, attempt.then), attempt, task)

    def write_start(self, attempt: RunningAttempt) -> Awaitable[None]:
        """Write a start; return once it is durable."""
        return self._records.write_start(attempt)

    def spend(self, attempt: RunningAttempt) -> Awaitable[str | None]:
        """Write what an attempt has spent; return which budget is used up, if one is."""
        return self._records.spend(attempt)

    def read_answers(self, task_id: TaskId) -> Awaitable[Sequence[Question]]:
        """Return what a task asked and was answered, in order."""
        return self._records.read_answers(task_id)

    async def read_parents(self, task_id: TaskId) -> Sequence[ParentResult]:
        """Return what became of the tasks that a task comes after, opened if it was sealed."""
        parents = await self._records.read_parents(task_id)
        if self._sealer is None:
            return parents
        return [
            replace(p, result=self._sealer.readable_result(p.result, task_id=p.id)) for p in parents
        ]

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

    def abandon(self, attempt: RunningAttempt, *, after_seconds: float) -> None:
        """End an attempt that was called off and does not stop, while it runs on.

        Whatever it comes to, nothing of it is written any more.
        """
        if attempt.verdict is None or attempt.slot is None:
            raise RuntimeError(f"task {attempt.task.id} was not called off, or is over")
        task, slot = attempt.task, attempt.slot
        attempt.end()
        del self.running[task.id]
        ending = self._ending(task, attempt.verdict, self._clock.seconds() - attempt.began_at)
        reason = f"it did not stop within {after_seconds:g} s and was abandoned"
        error = reason if ending.error is None else f"{ending.error}; {reason}"
        self._records.record(ending.replaced(error=error), attempt, task)
        self.on_abandoned(slot)

    def call_off_lease(self, lease_id: LeaseId, verdict: Outcome) -> None:
        """Stop what runs under a lease."""
        for attempt in list(self.running.values()):
            if attempt.task.lease_id == lease_id:
                attempt.call_off(verdict)

    async def _outcome(self, attempt: RunningAttempt) -> Outcome:
        """Return how the attempt ended. Being called off is an outcome; the worker's end is not."""
        slot = attempt.slot
        try:
            outcome = await self._executed(attempt)
            if isinstance(outcome, Released) and outcome is not GONE and not outcome.again_after:
                # Given back at once it would be claimed at once, and come back as fast as
                # Postgres can write: what keeps it from running here lasts longer than that.
                await asyncio.sleep(GIVE_BACK_SECONDS)
        except asyncio.CancelledError:
            if attempt.verdict is not None:
                outcome = attempt.verdict
            elif slot is not None and slot.cancelling():
                raise
            else:
                # Nobody asked for it: without this the slot would be gone, and nobody would know.
                outcome = Failed("its executor was cancelled from within")
        if attempt.verdict is None:
            return outcome
        while slot is not None and slot.cancelling():
            slot.uncancel()
        # It may have succeeded in the very moment it was called off; that is then what happened.
        if isinstance(outcome, Succeeded):
            return outcome
        if isinstance(attempt.verdict, TimedOut | Silent):
            return replace(attempt.verdict, result=attempt.usage)
        return attempt.verdict

    async def _executed(self, attempt: RunningAttempt) -> Outcome:
        task = attempt.task
        try:
            if self._sealer is not None:
                # What may not be opened here never reaches code.
                task = attempt.task = self._sealer.opened(task)
            if not self._records.has_room:
                await self._records.wait_for_room()
            executor = self._executors.opened(task.kind)
            if executor is None:
                executor = await self._executors.of_kind(task.kind)
            if task.writes_start:
                await attempt.announce_start()
            has_limits = task.timeout is not None or task.silence_timeout is not None
            running = (
                self._within_limits(executor, attempt) if has_limits else executor.run(attempt)
            )
            return _checked(await running, kind=task.kind)
        except LostRaceError as error:
            return _of_lost_race(error)
        except UnknownKindError as error:
            # Another machine may have what this one lacks: only its operators can know.
            pause = self._backoff(task.given_back + 1, longest=LONGEST_PAUSE)
            return Released(f"its worker has {error}", again_after=pause)
        except UsageError as error:
            return Failed(str(error), is_retryable=False)
        except UnavailableError as error:
            # What an executor needs is away (the guardian died, a server): not the task's fault.
            return Released(str(error))
        except Exception as error:  # noqa: BLE001 - the border to code that is not ours
            logger(__name__).exception("an executor raised", kind=task.kind, task=task.id)
            return Failed(f"its executor raised {type(error).__name__}: {error}")

    async def _within_limits(self, executor: Executor, attempt: RunningAttempt) -> Outcome:
        if attempt.task.silence_timeout is not None:
            attempt.heard_at = self._clock.seconds()
        timeout = attempt.task.timeout
        timer = None if timeout is None else _timer(attempt, timeout)
        try:
            return await executor.run(attempt)
        finally:
            if timer is not None:
                timer.cancel()

    def _ending(
        self,
        task: Task,
        outcome: Outcome,
        run_seconds: float | None,
        then: Sequence[NewTask] = (),
    ) -> Ending:
        """Return what to write; a result that cannot be stored fails the attempt, and says so."""
        try:
            result = result_of(outcome)
            if result is not None and self._sealer is not None:
                result = self._sealer.sealed_result(task, result)
            refuse_oversize(result)
            if then and self._sealer is not None:
                then = [sealed(task, self._sealer) for task in then]
        except UnstorableValueError as error:
            outcome, result = refused(outcome, error), None
        except RefusedTaskError as error:
            reason = f"a task that was to follow it is refused: {error}"
            outcome, result = Failed(reason, is_retryable=False), None
        if isinstance(outcome, Succeeded):
            # Nearly all of them; what follows is for the others.
            succeed, name = Move.SUCCEED, OutcomeName.SUCCEEDED
            return Ending(
                task.id, task.lease_id, succeed, name, result, run_seconds=run_seconds, then=then
            )
        move = move_for(outcome, failures=task.failures, max_attempts=task.max_attempts)
        error = error_of(outcome)
        policy = None if task.retry is None else _policy_of(task.retry)
        if policy is not None and move is Move.RETRY and not policy.covers(_failure(outcome)):
            move, error = Move.FAIL, f"{error} {_not_tried_again(policy)}"
        return Ending(
            task_id=task.id,
            lease_id=task.lease_id,
            move=move,
            outcome=name_of(outcome),
            result=result,
            error=error,
            backoff_seconds=self._backoff_seconds(task, outcome, move, policy),
            run_seconds=None if move is Move.POSTPONE else run_seconds,
            until=outcome.until if isinstance(outcome, Parked) else None,
            opens_breaker=isinstance(outcome, Parked) and outcome.opens_breaker,
            options=options_of(outcome) if isinstance(outcome, Asked) else (),
        )

    def _backoff_seconds(
        self, task: Task, outcome: Outcome, move: Move, policy: Retry | None
    ) -> float | None:
        """Return how long the task waits for its next attempt; None if nothing says so."""
        if isinstance(outcome, Released | Parked) and outcome.again_after is not None:
            return outcome.again_after.total_seconds()
        if move is not Move.RETRY:
            return None
        if policy is not None:
            delay = policy.delay(task.failures + 1, jitter=_jitter())
            if delay is not None:
                return delay.total_seconds()
        longest = timedelta(seconds=self._settings.retry_cap_seconds)
        return self._backoff(task.failures + 1, longest=longest).total_seconds()

    def _backoff(self, tries: int, *, longest: timedelta) -> timedelta:
        base = timedelta(seconds=self._settings.retry_base_seconds)
        return backoff(tries, base=base, cap=longest, jitter=_jitter())


def _of_lost_race(error: LostRaceError) -> Outcome:
    match error:
        case SpentBudgetError():
            return Parked(error.reason, until=error.until)
        case OpenBreakerError():
            # What its breaker keeps waits in the line of that, and not here.
            return Released(str(error), again_after=KEPT_PAUSE)
        case _:
            return GONE


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads load, guards nothing


def _policy_of(text: str) -> Retry | None:
    try:
        return retry_in(text)
    except ValueError as error:
        # Postgres refuses most of what makes no sense; this one was written past Hive's submit.
        logger(__name__).warning("a retry policy makes no sense", retry=text, error=str(error))
        return None


def _failure(outcome: Outcome) -> tuple[str, ...]:
    """Return what a retry policy may call an ending that is a failure."""
    return outcome.names if isinstance(outcome, Failed) else (TIMED_OUT,)


def _not_tried_again(policy: Retry) -> str:
    return f"(not tried again: it is retried only on {', '.join(policy.names)})"


def _timer(attempt: RunningAttempt, limit: timedelta) -> asyncio.TimerHandle:
    """Have the attempt called off when it has run for as long as it may."""
    loop = asyncio.get_running_loop()
    return loop.call_later(limit.total_seconds(), attempt.call_off, TimedOut(limit))


def _checked(outcome: object, *, kind: str) -> Outcome:
    """Return `outcome` if it is one: executors come from anywhere."""
    if isinstance(outcome, Outcome):
        return outcome
    return Failed(f"the executor of {kind!r} returned {outcome!r}, which is no outcome")
