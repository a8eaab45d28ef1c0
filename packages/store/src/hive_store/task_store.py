"""Tasks as people and programs see them: submit, look, wait, cancel, revive."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import repeat
from typing import Any, Final

import asyncpg

from hive_contracts.errors import TaskFailedError, UnknownTaskError, UsageError
from hive_contracts.ids import LeaseId, TaskId, WorkerId
from hive_contracts.labels import needs_in, slots_in
from hive_contracts.outcomes import OutcomeName
from hive_contracts.sealing import Sealer
from hive_contracts.spending import Spent
from hive_contracts.states import TaskState
from hive_contracts.tasks import EndedAttempt, NewTask, Submitted, TaskRecord
from hive_contracts.wire import decode_json
from hive_store.control_store import ControlStore
from hive_store.deeds import Actor
from hive_store.endless import aware
from hive_store.line import Line, Row
from hive_store.questions import question_in
from hive_store.submitting import HELD_UNTIL, Connection, sealed, send, sent_by_caller
from hive_store.task_ids import possible_ids
from hive_store.texts import storable_text

__all__ = ["EndedTask", "OutputPiece", "TaskStore"]

MOST_OUTPUT_PIECES: Final = 1000
MOST_HISTORY: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTask:
    """How a task ended."""

    id: TaskId
    state: TaskState
    outcome: OutcomeName
    attempt: int
    result: Any
    error: str | None

    def result_or_raise(self) -> Any:
        """Return the result of a task that succeeded.

        Raises:
            TaskFailedError: it failed or was cancelled; the message says why.
        """
        if self.state is not TaskState.SUCCEEDED:
            raise TaskFailedError(self.id, self.state, self.error, self.result)
        return self.result


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPiece:
    """A piece of what an attempt wrote."""

    stream: str
    position: int
    """Where it starts in its stream, in bytes; a jump is what the cap left out."""

    data: bytes
    at: datetime


class TaskStore:
    """Tasks in Postgres. One statement per method, no rules of its own."""

    def __init__(self, line: Line, *, sealer: Sealer | None = None) -> None:
        """Make a store over `line`; `sealer` seals what is submitted and reads what is sealed."""
        self._line = line
        self._sealer = sealer

    @property
    def line(self) -> Line:
        """The connection, for other sides of the store that share it."""
        return self._line

    @property
    def sealer(self) -> Sealer | None:
        """What seals and reads here, if anything does."""
        return self._sealer

    async def submit(
        self,
        tasks: Sequence[NewTask],
        *,
        connection: Connection | None = None,
        on_called_off: Callable[[list[TaskId]], None] | None = None,
    ) -> list[TaskId]:
        """Add tasks, all or none; return their ids in the order given. See `hand_in`."""
        rows = await self._add(tasks, connection, on_called_off)
        return [task_id for row in rows for task_id in row["ids"]]

    async def hand_in(
        self,
        tasks: Sequence[NewTask],
        *,
        connection: Connection | None = None,
        on_called_off: Callable[[list[TaskId]], None] | None = None,
    ) -> list[Submitted]:
        """Add tasks, all or none; return in the order given what came of each.

        Args:
            tasks: what to add.
            connection: the caller's own, in whose open transaction the tasks shall be added.
            on_called_off: told, once they are added, which running tasks shall stop for them.

        Raises:
            RefusedTaskError: a task may not be submitted as it stands; the message says why.
            UsageError: the caller's connection has no open transaction.
            StoreUnavailableError: Postgres did not answer; nothing can be said of the tasks.
        """
        rows = await self._add(tasks, connection, on_called_off)
        return [submitted for row in rows for submitted in _submitted(row)]

    async def _add(
        self,
        tasks: Sequence[NewTask],
        connection: Connection | None,
        on_called_off: Callable[[list[TaskId]], None] | None,
    ) -> list[Row]:
        if self._sealer is not None:
            tasks = [sealed(task, self._sealer) for task in tasks]
        if connection is not None:
            rows = await sent_by_caller(connection, tasks)
        else:
            async with self._line.lent() as own:
                rows, called_off = await send(own, tasks)
            if called_off and on_called_off is not None:
                on_called_off(called_off)
        return rows

    async def read(self, task_id: TaskId) -> TaskRecord:
        """Return everything known of a task, with its questions and the attempts before its last.

        Raises:
            UnknownTaskError: there is no such task.
        """
        rows = await self._line.fetch("read_tasks", possible_ids([task_id]))
        if not rows:
            raise UnknownTaskError(task_id)
        history = await self._line.fetch("read_attempts", task_id)
        # Who asks is given back; most tasks never were.
        was_back = rows[0]["given_back"] > 0
        questions = await self._line.fetch("read_questions", task_id) if was_back else ()
        return replace(
            self._record(rows[0]),
            history=tuple(_ended_attempt(row) for row in history),
            questions=tuple(question_in(row) for row in questions),
        )

    async def read_many(self, task_ids: Sequence[TaskId]) -> list[TaskRecord]:
        """Return everything known of those tasks that exist, by id, without earlier attempts."""
        rows = await self._line.fetch("read_tasks", possible_ids(task_ids))
        return [self._record(row) for row in rows]

    async def read_ended(self, task_ids: Sequence[TaskId]) -> list[EndedTask]:
        """Return those of the tasks that have ended."""
        rows = await self._line.fetch("read_ended_tasks", possible_ids(task_ids))
        return [self._ended(row) for row in rows]

    async def find_unknown(self, task_ids: Sequence[TaskId]) -> list[TaskId]:
        """Return those of the ids that no task has."""
        possible = possible_ids(task_ids)
        rows = await self._line.fetch("find_unknown_tasks", possible)
        return [*(set(task_ids) - set(possible)), *(TaskId(row["id"]) for row in rows)]

    async def states(self, task_ids: Sequence[TaskId]) -> dict[TaskId, TaskState]:
        """Return which state each of those tasks is in that exist."""
        rows = await self._line.fetch("read_states", possible_ids(task_ids))
        return {TaskId(row["id"]): TaskState(row["state"]) for row in rows}

    async def parked(self, task_ids: Sequence[TaskId]) -> set[TaskId]:
        """Return which of those tasks are parked."""
        rows = await self._line.fetch("read_states", possible_ids(task_ids))
        return {TaskId(row["id"]) for row in rows if row["is_parked"]}

    async def cancel(
        self, task_ids: Sequence[TaskId], *, reason: str | None = None
    ) -> dict[TaskId, TaskState]:
        """Call tasks off, with a reason if there is one; return the state each is now in.

        A leased task stays in its state until nothing of it runs. A task that has ended, or that
        another transaction holds at this moment, is not in the answer.
        """
        why = None if reason is None else storable_text(reason)
        rows = await self._line.fetch("cancel_tasks", possible_ids(task_ids), why)
        return {TaskId(row["id"]): TaskState(row["state"]) for row in rows}

    async def revive(self, task_ids: Sequence[TaskId]) -> list[TaskId]:
        """Queue failed and cancelled tasks once more; return those that were.

        A task that another transaction holds at this moment is not in the answer.
        """
        rows = await self._line.fetch("revive_tasks", possible_ids(task_ids))
        return [TaskId(row["id"]) for row in rows]

    async def park(
        self, task_ids: Sequence[TaskId], *, until: datetime | None, reason: str | None, by: Actor
    ) -> list[TaskId]:
        """Set waiting tasks aside, until a moment or until they are unparked; return those.

        A task that another transaction holds at this moment is not in the answer.
        """
        why = None if reason is None else storable_text(reason)
        actor = map(storable_text, by)
        rows = await self._line.fetch("park_tasks", possible_ids(task_ids), until, why, *actor)
        return [TaskId(row["id"]) for row in rows]

    async def unpark(self, task_ids: Sequence[TaskId], *, by: Actor) -> dict[TaskId, TaskState]:
        """Let parked tasks go on; return those that were parked, and the state each is in now.

        A task that another transaction holds at this moment is not in the answer.
        """
        actor = map(storable_text, by)
        rows = await self._line.fetch("unpark_tasks", possible_ids(task_ids), *actor)
        return {TaskId(row["id"]): TaskState(row["state"]) for row in rows}

    async def spent_by(self, task_id: TaskId) -> Spent | None:
        """Return what the attempts of a task have spent; None if none has told of anything."""
        [row] = await self._line.fetch("read_spending", task_id)
        if not row["attempts"]:
            return None
        tokens = [row[name] for name in ("input_tokens", "output_tokens") if row[name] is not None]
        return Spent(
            microdollars=row["microdollars"],
            tokens=sum(tokens) if tokens else None,
            turns=row["turns"],
            unpriced=row["unpriced"],
        )

    async def answer(self, task_id: TaskId, text: str, *, by: Actor) -> TaskState:
        """Answer what a task asks; return its state: it is queued, unless it is parked as well.

        Raises:
            UnknownTaskError: there is no such task.
            UsageError: it asks nothing, or does not take that answer; the message says what.
        """
        if not possible_ids([task_id]):
            raise UnknownTaskError(task_id)
        try:
            state = await self._line.fetch_value(
                "answer_task", task_id, storable_text(text), *map(storable_text, by)
            )
        except asyncpg.NoDataFoundError as error:
            raise UnknownTaskError(task_id) from error
        except (asyncpg.ObjectNotInPrerequisiteStateError, asyncpg.CheckViolationError) as error:
            raise UsageError(str(error)) from error
        return TaskState(state)

    async def release_held(
        self, group: str, *, limit: int, after: TaskId | None = None
    ) -> list[TaskId]:
        """Queue tasks of a group that are held back, the earliest first; return those that were.

        A task that another transaction holds at this moment is not in the answer.
        """
        rows = await self._line.fetch("release_held_tasks", group, HELD_UNTIL, after or 0, limit)
        return [TaskId(row["id"]) for row in rows]

    async def read_output(
        self,
        task_id: TaskId,
        *,
        attempt: int | None = None,
        after_stdout: int = 0,
        after_stderr: int = 0,
    ) -> list[OutputPiece]:
        """Return what an attempt wrote (by default the last one), from a place in each stream on.

        A piece that lies across that place is cut, so that its position is the place.
        """
        rows = await self._line.fetch(
            "read_output", task_id, attempt, after_stdout, after_stderr, MOST_OUTPUT_PIECES
        )
        after = {"stdout": after_stdout, "stderr": after_stderr}
        return [_output_piece(row, after=after[row["stream"]]) for row in rows]

    async def count(self) -> dict[str, dict[TaskState, int]]:
        """Return how many tasks are in which state, by queue. Reads the whole table."""
        counts: dict[str, dict[TaskState, int]] = {}
        for row in await self._line.fetch("count_tasks"):
            counts.setdefault(row["queue"], {})[TaskState(row["state"])] = row["count"]
        return counts

    async def count_recent_ends(self, *, seconds: float) -> dict[TaskState, int]:
        """Return how many tasks ended within the last seconds, by state."""
        rows = await self._line.fetch("count_recent_ends", seconds)
        return {TaskState(row["state"]): row["count"] for row in rows}

    def controls_of(self, actor: Actor) -> ControlStore:
        """Return what can be done to queues and limits, in somebody's name."""
        return ControlStore(self._line, actor)

    async def count_orphans(self) -> int:
        """Return how many leased tasks have no lease, or leases a wrong count. It must be 0."""
        return await self._line.fetch_value("count_orphans")

    def _record(self, row: Row) -> TaskRecord:
        record = _record(row)
        if self._sealer is None:
            return record
        return replace(
            record,
            payload=self._sealer.readable_payload(
                record.payload, kind=record.kind, queue=record.queue
            ),
            result=self._sealer.readable_result(record.result, task_id=record.id),
        )

    def _ended(self, row: Row) -> EndedTask:
        ended = _ended(row)
        if self._sealer is None:
            return ended
        return replace(ended, result=self._sealer.readable_result(ended.result, task_id=ended.id))


def _submitted(row: Row) -> Iterator[Submitted]:
    are_new: Iterable[bool] = repeat(True) if row["are_new"] is None else row["are_new"]
    return map(Submitted, row["ids"], are_new)


def _record(row: Row) -> TaskRecord:
    lease_id, worker_id = row["lease_id"], row["worker_id"]
    return TaskRecord(
        id=TaskId(row["id"]),
        kind=row["kind"],
        queue=row["queue"],
        group=row["group_name"],
        key=row["key"],
        unique_key=row["unique_key"],
        has_turn=row["has_turn"],
        is_gated=row["is_gated"],
        payload=decode_json(row["payload"]),
        needs=needs_in(row["needs"]),
        breaker=row["breaker"],
        slots=slots_in(row["needs"]),
        priority=row["priority"],
        submitted_priority=row["submitted_priority"],
        state=TaskState(row["state"]),
        attempt=row["attempt"],
        failures=row["failures"],
        max_attempts=row["max_attempts"],
        losses=row["losses"],
        max_losses=row["max_losses"],
        retry=row["retry"],
        timeout=row["timeout"],
        silence_timeout=row["silence_timeout"],
        created_at=row["created_at"],
        run_at=aware(row["run_at"]),
        expires_at=row["expires_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        cancel_requested_at=row["cancel_requested_at"],
        lease_id=LeaseId(lease_id) if lease_id else None,
        lease_expires_at=row["lease_expires_at"],
        worker_id=WorkerId(worker_id) if worker_id else None,
        worker_host=row["worker_host"],
        worker_pid=row["worker_pid"],
        result=None if row["result"] is None else decode_json(row["result"]),
        error=row["error"],
        parked_at=row["parked_at"],
        parked_reason=row["parked_reason"],
        asked_at=row["asked_at"],
    )


def _ended(row: Row) -> EndedTask:
    return EndedTask(
        id=TaskId(row["id"]),
        state=TaskState(row["state"]),
        outcome=OutcomeName(row["outcome"]),
        attempt=row["attempt"],
        result=None if row["result"] is None else decode_json(row["result"]),
        error=row["error"],
    )


def _output_piece(row: Row, *, after: int) -> OutputPiece:
    seen_bytes = max(0, after - row["position"])
    return OutputPiece(
        stream=row["stream"],
        position=row["position"] + seen_bytes,
        data=row["data"][seen_bytes:],
        at=row["at"],
    )


def _ended_attempt(row: Row) -> EndedAttempt:
    worker_id = row["worker_id"]
    return EndedAttempt(
        claim=row["claim"],
        attempt=row["attempt"],
        outcome=row["outcome"],
        error=row["error"],
        worker_id=WorkerId(worker_id) if worker_id else None,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        again_at=row["again_at"],
    )
