"""Write what happened: starts, output and outcomes, of all slots together.

Everything that gathers while one flush is under way goes into the next, so the load decides how
much a statement carries, and an idle worker writes at once. One that is busy writes how attempts
ended some hundred times a second and no oftener, because a statement for one ending costs nearly
what it costs for ten; starts, for which slots wait, are written without delay. While Postgres is
away what is unwritten is kept, up to a bound, and then no further task begins. A write that the
store does not acknowledge is repeated as it was: the statements are fenced by lease and may be
repeated.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Final, Never

from hive_bus.bus import Bus
from hive_contracts.clocks import Clock
from hive_contracts.errors import (
    ConfigurationError,
    OpenBreakerError,
    RefusedTaskError,
    SpentBudgetError,
    StaleLeaseError,
    UnstorableValueError,
)
from hive_contracts.ids import TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_contracts.tasks import ParentResult, Question
from hive_store.worker_store import Ending, Finished, Piece, Starts, WorkerStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics
from hive_worker.attempts import RunningAttempt
from hive_worker.holdings import Holdings
from hive_worker.report import Report
from hive_worker.spending import Spendings

__all__ = ["Recorder"]

MOST_ENDINGS: Final = 1000
MOST_RESULT_BYTES: Final = 8 * 1024 * 1024
"""Of all results in one statement, roughly; a single result is an eighth of it at most."""

MOST_PIECES: Final = 64

GATHERING_SECONDS: Final = 0.008
"""From one flush of endings to the next, while more are to come."""


class Recorder:
    """Gathers what must be written, and writes it."""

    name = "record"

    def __init__(
        self,
        store: WorkerStore,
        holdings: Holdings,
        bus: Bus,
        *,
        max_unwritten: int,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._holdings = holdings
        self._bus = bus
        self._max_unwritten = max_unwritten
        self._metrics = metrics
        self._clock = clock
        self._flushed_at = float("-inf")
        self._waking: asyncio.TimerHandle | None = None
        self._endings: list[tuple[Ending, Task]] = []
        self._has_met_quota = False
        self._pieces: list[Piece] = []
        self._spendings = Spendings(store, metrics)
        self._starts: list[tuple[RunningAttempt, asyncio.Future[None] | None]] = []
        self._work = asyncio.Event()
        self._written = asyncio.Event()
        self.on_stale: Callable[[RunningAttempt], None] = lambda _attempt: None
        """Called for an attempt whose late start was refused: its lease is gone."""

    @property
    def unwritten(self) -> int:
        """How many outcomes wait to be written."""
        return len(self._endings)

    def record(self, ending: Ending, attempt: RunningAttempt | None, task: Task) -> None:
        """Have an ending written soon, after the output that belongs to it."""
        if attempt is not None:
            if attempt.output is not None:
                self._pieces.extend(attempt.output.take(is_final=True))
            if attempt.spending is not None:
                self._spendings.add(attempt)
        self._endings.append((ending, task))
        self._has_met_quota |= ending.opens_breaker
        self._work.set()

    def write_output(self, pieces: Iterable[Piece]) -> None:
        """Have pieces of output written soon."""
        self._pieces.extend(pieces)
        self._work.set()

    def write_late_start(self, attempt: RunningAttempt) -> None:
        """Have a start written soon, for an attempt that turned out to be long."""
        attempt.is_start_on_its_way = True
        self._starts.append((attempt, None))
        self._work.set()

    async def write_start(self, attempt: RunningAttempt) -> None:
        """Write a start; return once it is durable.

        Raises:
            StaleLeaseError: the lease is gone, or has expired.
            OpenBreakerError: the task's breaker keeps it.
            SpentBudgetError: a budget that it is under is used up.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starts.append((attempt, answer))
        self._work.set()
        await answer

    async def spend(self, attempt: RunningAttempt) -> str | None:
        """Have written what an attempt has spent; return which budget is used up, if one is.

        Raises:
            StaleLeaseError: the lease is gone.
        """
        answer = self._spendings.ask(attempt)
        self._work.set()
        return await answer

    async def read_parents(self, task_id: TaskId) -> Sequence[ParentResult]:
        """Return what became of the tasks that a task comes after.

        Raises:
            StoreUnavailableError: Postgres did not answer.
        """
        return await self._store.parents_of(task_id)

    async def read_answers(self, task_id: TaskId) -> Sequence[Question]:
        """Return what a task asked and was answered, in order.

        Raises:
            StoreUnavailableError: Postgres did not answer.
        """
        return await self._store.answers_of(task_id)

    @property
    def has_room(self) -> bool:
        """Whether not too many outcomes are unwritten."""
        return len(self._endings) < self._max_unwritten

    async def wait_for_room(self) -> None:
        """Return once there is room."""
        while not self.has_room:
            self._written.clear()
            await self._written.wait()

    async def wait_until_written(self) -> None:
        """Return once nothing waits to be written."""
        while self._endings or self._pieces or self._spendings:
            self._written.clear()
            await self._written.wait()

    async def run(self) -> Never:
        """Write until cancelled."""
        await keep_ticking(self._tick_or_gather, name=self.name, metrics=self._metrics)

    async def _tick_or_gather(self) -> None:
        """Write all that there is, or starts alone if more will soon go with the rest."""
        await self._work.wait()
        if (seconds := self._gathering_seconds()) <= 0:
            await self.tick()
            return
        self._work.clear()
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(seconds, self._wake)
        try:
            await self._write_starts()
        finally:
            if self._starts:
                self._work.set()

    def _gathering_seconds(self) -> float:
        """Return for how long the next flush waits for more; 0 or less if it does not."""
        is_last = self._holdings.open_tasks <= len(self._endings)
        if is_last or not self.has_room or self._has_met_quota or self._spendings:
            return 0
        return self._flushed_at + GATHERING_SECONDS - self._clock.seconds()

    def _wake(self) -> None:
        self._waking = None
        self._work.set()

    async def tick(self) -> None:
        """Wait for something to write, and write all of it: starts, output, spending, endings.

        Breakers are opened first: what gets the slot of a task that met a quota begins after it.
        """
        await self._work.wait()
        self._work.clear()
        try:
            if self._has_met_quota:
                await self._open_breakers()
            await self._write_starts()
            while self._pieces or self._spendings:
                await self._write_pieces()
                if self._spendings:
                    await self._spendings.write()
            await self._write_endings()
        finally:
            if self._starts or self._pieces or self._spendings or self._endings:
                self._work.set()
        self._written.set()

    async def _open_breakers(self) -> None:
        # The list may grow meanwhile; when this returns, all that it holds are opened.
        for place, (ending, task) in enumerate(self._endings):
            if ending.opens_breaker:
                self._endings[place] = (await self._store.open_breaker(ending), task)
        self._has_met_quota = False

    async def _write_starts(self) -> None:
        self._starts = [
            (attempt, answer)
            for attempt, answer in self._starts
            if (not attempt.is_over if answer is None else not answer.done())
        ]
        batch = list(self._starts)
        if not batch:
            return
        starts = await self._store.start([(a.task.id, a.task.lease_id) for a, _ in batch])
        del self._starts[: len(batch)]
        for attempt, answer in batch:
            if attempt.task.id in starts.begun:
                attempt.is_start_written = True
            if answer is None:
                self._answer_late_start(attempt, starts)
            elif not answer.done():
                self._answer_start(attempt.task, answer, starts)

    def _answer_start(self, task: Task, answer: asyncio.Future[None], starts: Starts) -> None:
        if task.id in starts.begun:
            answer.set_result(None)
        elif (breaker := starts.kept_by.get(task.id)) is not None:
            answer.set_exception(OpenBreakerError(task.id, breaker))
        elif (spent := starts.spent.get(task.id)) is not None:
            answer.set_exception(SpentBudgetError(task.id, *spent))
        else:
            self._metrics.stale_writes()
            answer.set_exception(StaleLeaseError(task.id, task.lease_id))

    def _answer_late_start(self, attempt: RunningAttempt, starts: Starts) -> None:
        """Let an attempt know that began before; no breaker or budget keeps what has begun."""
        is_kept = attempt.task.id in starts.kept_by or attempt.task.id in starts.spent
        if not attempt.is_start_written and not is_kept:
            self._metrics.stale_writes()
            self.on_stale(attempt)

    async def _write_pieces(self) -> None:
        while self._pieces:
            batch = self._pieces[:MOST_PIECES]
            await self._store.append_output(batch)
            del self._pieces[: len(batch)]

    async def _write_endings(self) -> None:
        # One batch, and only what had ended before the output was written: the output of an attempt
        # that has ended since is not stored yet, and would be refused once its ending is.
        batch = _fitting(self._endings[:MOST_ENDINGS])
        if not batch:
            return
        self._flushed_at = self._clock.seconds()
        endings = [ending for ending, _ in batch]
        finished = await self._finish([ending for ending in endings if not ending.then])
        for ending in endings:
            if ending.then:
                finished += await self._finish_and_submit(ending)
        del self._endings[: len(batch)]
        self._settle(batch, finished)

    async def _finish(self, endings: Sequence[Ending]) -> list[Finished]:
        """Write endings; one that Postgres refuses fails alone."""
        try:
            return await self._store.finish(endings)
        except UnstorableValueError as error:
            if len(endings) == 1:
                return await self._store.finish([_refused(endings[0], error)])
        half = len(endings) // 2
        return [*await self._finish(endings[:half]), *await self._finish(endings[half:])]

    async def _finish_and_submit(self, ending: Ending) -> list[Finished]:
        """Write a success with what follows it; if that may not be submitted, it has failed."""
        try:
            return await self._store.finish_and_submit(ending)
        except UnstorableValueError as error:
            return await self._store.finish([_refused(ending, error)])
        except (RefusedTaskError, ConfigurationError) as error:
            # Postgres refuses a worker whose role may not submit.
            refused = _failed(ending, f"a task that was to follow it is refused: {error}")
            return await self._store.finish([refused])

    def _settle(self, batch: Sequence[tuple[Ending, Task]], finished: Sequence[Finished]) -> None:
        """Let go of what is written, count it, and tell of it: hints follow the commit."""
        self._holdings.ended((ending.lease_id, ending.task_id) for ending, _ in batch)
        # Of two endings of one task under one lease, the first counts.
        entries = {(e.task_id, e.lease_id): (e, task) for e, task in reversed(batch)}
        if stale := len(batch) - sum(len(alike.task_ids) for alike in finished):
            self._metrics.stale_writes(stale)
        report = Report()
        for alike in finished:
            report.add([entries[i, alike.lease_id] for i in alike.task_ids], alike)
        report.count(self._metrics)
        self._bus.tell(*report.frames())
        self._written.set()


def _fitting(endings: list[tuple[Ending, Task]]) -> list[tuple[Ending, Task]]:
    """Return the first of the endings, as many as fit into one statement with their results."""
    sizes = accumulate(len(ending.result or "") for ending, _ in endings)
    return endings[: max(1, bisect_right([*sizes], MOST_RESULT_BYTES))]


def _refused(ending: Ending, error: UnstorableValueError) -> Ending:
    return _failed(ending, f"its result was refused by Postgres: {error}")


def _failed(ending: Ending, reason: str) -> Ending:
    return Ending(
        task_id=ending.task_id,
        lease_id=ending.lease_id,
        move=Move.FAIL,
        outcome=OutcomeName.FAILED,
        error=reason,
        run_seconds=ending.run_seconds,
    )
