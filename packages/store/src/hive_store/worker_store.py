"""What a worker asks of Postgres: accept, read, start, keep output, finish, renew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from hive_contracts.execution import Stream
from hive_contracts.ids import LeaseId, QueenId, TaskId, WorkerId
from hive_contracts.labels import line_of
from hive_contracts.leased import Task
from hive_contracts.outcomes import LONGEST_QUESTION, OutcomeName
from hive_contracts.spending import Spending
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask, ParentResult, Question
from hive_contracts.wire import Struct, decode_json, encode_json
from hive_store.callers import transaction_on
from hive_store.columns import none_if_null, one_if_alike
from hive_store.connecting import naming_misfits
from hive_store.line import Line, Row
from hive_store.questions import question_in
from hive_store.statements import statement
from hive_store.submitting import send
from hive_store.texts import storable_text

__all__ = ["Accepted", "Ending", "Finished", "LeasedTask", "Piece", "Starts", "WorkerStore"]

STATES: Final = {state.value: state for state in TaskState}
OUTCOMES: Final = {outcome.value: outcome for outcome in OutcomeName}
SUCCEED: Final = Move.SUCCEED
PARK: Final = Move.PARK
ASK: Final = Move.ASK
"""Moves with a statement each of their own: nearly all attempts end so, or few."""

TASK_FIELDS: Final = len(Task.__struct_fields__)
QUOTA_SECONDS: Final = 30.0
"""How long a task that met a quota is set aside if nobody knows better, and it has no breaker."""

PARENT_RESULT_BYTES: Final = 1024 * 1024
PARENT_RESULTS_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Accepted:
    """A lease that is now in this worker's hands."""

    lease_id: LeaseId
    queen_id: QueenId
    open: int
    task: "LeasedTask | None"
    """Its task, if it has only one and that is small; else None, and they are to be read."""


class LeasedTask(Struct, frozen=True):
    """A task to run, and whether it was called off before it began."""

    task: Task
    is_cancelled: bool


class Starts(NamedTuple):
    """What came of writing starts. The tasks that it does not name are no longer held."""

    begun: set[TaskId]
    """Those whose start is written."""

    kept_by: dict[TaskId, str]
    """Those that may not begin, and the breaker that keeps each."""

    spent: dict[TaskId, tuple[str, datetime | None]]
    """Those that a budget keeps: why, and until when; None until it is raised."""


class Ending(Struct, frozen=True):
    """How an attempt ended, ready to be written."""

    task_id: TaskId
    lease_id: LeaseId
    move: Move
    outcome: OutcomeName
    result: str | None = None
    error: str | None = None
    backoff_seconds: float | None = None
    """For a retry, a postponement or a park: how long until it is due again."""

    run_seconds: float | None = None
    until: datetime | None = None
    """For a park: when it is due again, if that is not said in seconds."""

    opens_breaker: bool = False
    """For a park: whether its breaker is opened before, for `backoff_seconds` if they are known."""

    then: Sequence[NewTask] = ()
    """What is to be submitted with a success; `finish_and_submit` writes such an ending."""

    options: tuple[str, ...] = ()
    """For a question, which is in `error`: what may be answered; none if any text may."""


class Finished(NamedTuple):
    """Endings that are written, and of which one is as the other."""

    task_ids: list[TaskId]
    state: TaskState
    outcome: OutcomeName
    """Of the attempt: what was reported, unless a cancellation or the last loss came of it."""

    attempt: int
    lease_id: LeaseId
    queen_id: QueenId | None
    open: int | None
    """How many tasks of the lease are still open; None if the endings had been written before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Output on its way to the store."""

    task_id: TaskId
    lease_id: LeaseId
    stream: Stream
    position: int
    data: bytes


class WorkerStore:
    """The statements of one worker. Accepts and finishes have a line each, so that they overlap."""

    def __init__(self, worker_id: WorkerId, *, accepts: Line, finishes: Line) -> None:
        self.worker_id = worker_id
        self._accepts = accepts
        self._finishes = finishes

    async def accept(self, lease_ids: Sequence[LeaseId], *, lease: timedelta) -> list[Accepted]:
        """Take leases into hand; return those that were granted."""
        rows = await self._accepts.fetch(
            "accept_leases", self.worker_id, list(lease_ids), lease.total_seconds()
        )
        return [
            Accepted(lease_id, queen_id, still_open, None if row[0] is None else _leased_task(row))
            for lease_id, queen_id, still_open, *row in rows
        ]

    async def read(self, lease_ids: Sequence[LeaseId]) -> list[LeasedTask]:
        """Return the tasks of accepted leases, those of one lease in claim order."""
        rows = await self._accepts.fetch("read_leased_tasks", self.worker_id, list(lease_ids))
        return [_leased_task(row) for row in rows]

    async def tasks_of(self, granted: Sequence[Accepted]) -> list[LeasedTask]:
        """Return the tasks of leases just accepted: those that came along, and the rest read."""
        tasks = [accepted.task for accepted in granted if accepted.task is not None]
        if unread := [accepted.lease_id for accepted in granted if accepted.task is None]:
            tasks += await self.read(unread)
        return tasks

    async def lines(
        self, queues: Sequence[str] | None, labels: Sequence[str] | None, *, slots: int = 1
    ) -> list[str]:
        """Return the lines with needs in which something waits for a worker.

        Args:
            queues: of these alone; None for any.
            labels: what the worker has; None if it is to be taken to have whatever is needed.
            slots: how many slots the worker has.
        """
        rows = await self._finishes.fetch(
            "list_lines",
            None if queues is None else list(queues),
            None if labels is None else list(labels),
            slots,
        )
        return [line_of(row["queue"], row["needs"]) for row in rows]

    async def start(self, tasks: Sequence[tuple[TaskId, LeaseId]]) -> Starts:
        """Write that attempts have started, as far as they are held and no breaker keeps them."""
        rows = await self._finishes.fetch(
            "start_tasks", [t[0] for t in tasks], [t[1] for t in tasks]
        )
        return Starts(
            begun={
                TaskId(row["id"]) for row in rows if row["kept_by"] is None and row["spent"] is None
            },
            kept_by={TaskId(row["id"]): row["kept_by"] for row in rows if row["kept_by"]},
            spent={TaskId(row["id"]): (row["spent"], row["until"]) for row in rows if row["spent"]},
        )

    async def append_output(self, pieces: Sequence[Piece]) -> None:
        """Keep output; pieces of attempts that are no longer held are left out."""
        await self._finishes.fetch(
            "append_output",
            [p.task_id for p in pieces],
            [p.lease_id for p in pieces],
            [str(p.stream) for p in pieces],
            [p.position for p in pieces],
            [p.data for p in pieces],
        )

    async def spend(self, spendings: Sequence[tuple[TaskId, LeaseId, Spending]]) -> set[TaskId]:
        """Write what attempts have spent so far, each task once; return those that are held."""
        told = [spending for _, _, spending in spendings]
        rows = await self._finishes.fetch(
            "write_spending",
            [task_id for task_id, _, _ in spendings],
            [lease_id for _, lease_id, _ in spendings],
            [spending.microdollars for spending in told],
            [spending.input_tokens for spending in told],
            [spending.output_tokens for spending in told],
            [spending.turns for spending in told],
        )
        return {TaskId(row["id"]) for row in rows}

    async def spent_budgets_of(self, task_ids: Sequence[TaskId]) -> dict[TaskId, str]:
        """Return by task, in words, which budget is used up; a task is left out if none is."""
        rows = await self._finishes.fetch("find_spent_budgets", list(task_ids))
        return {TaskId(row["id"]): row["reason"] for row in rows}

    async def finish(self, endings: Sequence[Ending]) -> list[Finished]:
        """Write how attempts ended; return those that were ours to end.

        What is not returned was not written: its lease is gone. Repeating the call with the same
        endings is harmless. Of two endings of one task under one lease, the first counts.

        Raises:
            UnstorableValueError: Postgres cannot hold what one of them says; others may be written.
        """
        if not endings:
            return []
        if len({ending.task_id for ending in endings}) < len(endings):
            firsts = {(ending.task_id, ending.lease_id): ending for ending in reversed(endings)}
            endings = list(firsts.values())
        set_aside = [e for e in endings if e.move is PARK or e.move is ASK]
        if set_aside:
            endings = [e for e in endings if e.move is not PARK and e.move is not ASK]
            return [*await self.finish(endings), *await self._set_aside(set_aside)]
        if any(ending.move is not SUCCEED or ending.result is None for ending in endings):
            return await self._write("finish_tasks", *self._columns(endings))
        return await self._succeed(endings)

    async def finish_and_submit(self, ending: Ending) -> list[Finished]:
        """Write a success and submit what is to follow it, in one transaction.

        Nothing is submitted if the lease is gone, or if the ending had been written before: its
        first writing has submitted it all.

        Raises:
            RefusedTaskError: one of the tasks may not be submitted; nothing is written.
            UnstorableValueError: Postgres cannot hold the result; nothing is written.
        """
        with naming_misfits():
            return await self._finish_and_submit(ending)

    async def _finish_and_submit(self, ending: Ending) -> list[Finished]:
        async with self._finishes.lent() as connection, transaction_on(connection):
            rows = await connection.fetch(statement("finish_tasks"), *self._columns([ending]))
            finished = _finished(rows)
            if any(alike.open is not None for alike in finished):
                await send(connection, ending.then)
            return finished

    async def parents_of(self, task_id: TaskId) -> list[ParentResult]:
        """Return what became of the tasks that a task comes after."""
        rows = await self._accepts.fetch(
            "read_parent_results", task_id, PARENT_RESULT_BYTES, PARENT_RESULTS_BYTES
        )
        return [
            ParentResult(
                id=TaskId(row["id"]),
                state=TaskState(row["state"]),
                result=None if row["result"] is None else decode_json(row["result"]),
                is_left_out=row["is_left_out"],
                error=row["error"],
            )
            for row in rows
        ]

    async def answers_of(self, task_id: TaskId) -> list[Question]:
        """Return what a task asked and was answered, in order."""
        rows = await self._accepts.fetch("read_questions", task_id)
        return [question_in(row) for row in rows if row["answer"] is not None]

    async def _succeed(self, endings: Sequence[Ending]) -> list[Finished]:
        """Write successes; those that were written before are found by the general statement."""
        finished = await self._write(
            "succeed_tasks",
            [e.task_id for e in endings],
            [e.lease_id for e in endings],
            one_if_alike([e.result for e in endings]),
            [e.run_seconds for e in endings],
            list({e.lease_id for e in endings}),
            self.worker_id,
        )
        if sum(len(alike.task_ids) for alike in finished) == len(endings):
            return finished
        # By lease as well: a task that was given out once more may have ended under both.
        ended = {(task_id, alike.lease_id) for alike in finished for task_id in alike.task_ids}
        missing = [ending for ending in endings if (ending.task_id, ending.lease_id) not in ended]
        return finished + await self._write("finish_tasks", *self._columns(missing))

    def _columns(self, endings: Sequence[Ending]) -> tuple[object, ...]:
        """Return the arguments of `finish_tasks`."""
        return (
            [e.task_id for e in endings],
            [e.lease_id for e in endings],
            one_if_alike([e.move for e in endings]),
            one_if_alike([e.outcome for e in endings]),
            [e.result for e in endings],
            none_if_null([storable_text(e.error) if e.error else e.error for e in endings]),
            none_if_null([e.backoff_seconds for e in endings]),
            [e.run_seconds for e in endings],
            list({e.lease_id for e in endings}),
            self.worker_id,
        )

    async def _set_aside(self, endings: Sequence[Ending]) -> list[Finished]:
        parks = [ending for ending in endings if ending.move is PARK]
        asks = [ending for ending in endings if ending.move is ASK]
        parked = await self._park(parks) if parks else []
        return [*parked, *await self._ask(asks)] if asks else parked

    async def _park(self, parks: Sequence[Ending]) -> list[Finished]:
        parks = [await self.open_breaker(park) if park.opens_breaker else park for park in parks]
        return await self._write(
            "park_attempts",
            [e.task_id for e in parks],
            [e.lease_id for e in parks],
            [storable_text(e.error or "") for e in parks],
            [e.backoff_seconds for e in parks],
            [e.until for e in parks],
            [e.run_seconds for e in parks],
            list({e.lease_id for e in parks}),
            self.worker_id,
        )

    async def _ask(self, asks: Sequence[Ending]) -> list[Finished]:
        return await self._write(
            "ask_attempts",
            [e.task_id for e in asks],
            [e.lease_id for e in asks],
            # Spelled out, text grows.
            [storable_text(e.error or "")[:LONGEST_QUESTION] for e in asks],
            [encode_json([storable_text(option) for option in e.options]) for e in asks],
            [e.run_seconds for e in asks],
            list({e.lease_id for e in asks}),
            self.worker_id,
        )

    async def _write(self, name: str, *arguments: object) -> list[Finished]:
        with naming_misfits():
            return _finished(await self._finishes.fetch(name, *arguments))

    async def open_breaker(self, park: Ending) -> Ending:
        """Open the breaker of a task that met a quota; return how it is to be parked then.

        It goes into the line of its breaker; without one it waits a while. `finish` does it too.
        """
        breaker = await self._finishes.fetch_value(
            "trip_breaker",
            park.task_id,
            park.lease_id,
            park.backoff_seconds,
            storable_text(park.error or ""),
        )
        if breaker is not None:
            return park.replaced(backoff_seconds=0.0, opens_breaker=False)
        seconds = QUOTA_SECONDS if park.backoff_seconds is None else park.backoff_seconds
        return park.replaced(backoff_seconds=seconds, opens_breaker=False)

    async def leave(self) -> None:
        """Say that this worker has left."""
        await self._accepts.fetch("leave_as_worker", self.worker_id)


def _finished(rows: Sequence[Row]) -> list[Finished]:
    leases = {
        lease_id: (queen_id, left) for ids, *_, lease_id, _, queen_id, left in rows if not ids
    }
    return [
        Finished(
            task_ids,
            STATES[state],
            OUTCOMES[outcome],
            attempt,
            lease_id,
            *(leases[lease_id] if is_new else (None, None)),
        )
        for task_ids, state, outcome, attempt, lease_id, is_new, _, _ in rows
        if task_ids
    ]


def _leased_task(row: "Sequence[Any] | Row") -> LeasedTask:
    # The statements' columns are the fields of a task, in their order, and `is_cancelled`.
    return LeasedTask(Task(*row[:TASK_FIELDS]), row[TASK_FIELDS])
