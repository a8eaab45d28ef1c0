"""Tasks as people and programs see them: submit, look, wait, cancel, revive."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hive_contracts.errors import RefusedTaskError, UnknownTaskError, UnstorableValueError
from hive_contracts.ids import LeaseId, TaskId, WorkerId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_contracts.tasks import EndedAttempt, NewTask, TaskRecord, default_max_attempts
from hive_contracts.wire import decode_json, encode_json
from hive_store.line import Line, Row

__all__ = ["MAX_PAYLOAD_BYTES", "EndedTask", "OutputPiece", "TaskStore"]

MAX_PAYLOAD_BYTES: Final = 1024 * 1024
MOST_OUTPUT_PIECES: Final = 1000
MOST_HISTORY: Final = 1000
NAME: Final = re.compile(r"[^\s\x00\ud800-\udfff]{1,200}")
LEAST_URGENT: Final = 32767
MOST_TIMES: Final = 1_000_000
LATEST_RUN_AT: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Far ahead of any plan, and before what asyncpg takes for infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTask:
    """How a task ended."""

    id: TaskId
    state: TaskState
    outcome: OutcomeName
    attempt: int
    result: Any
    error: str | None


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

    def __init__(self, line: Line) -> None:
        self._line = line

    async def submit(self, tasks: Sequence[NewTask]) -> list[TaskId]:
        """Add tasks, all or none; return their ids in the order given.

        Raises:
            RefusedTaskError: a task may not be submitted as it stands; the message says why.
            StoreUnavailableError: Postgres did not answer; nothing can be said of the tasks.
        """
        payloads = [_checked_payload(task) for task in tasks]
        rows = await self._line.fetch(
            "submit_tasks",
            [task.kind for task in tasks],
            payloads,
            [task.queue for task in tasks],
            [task.priority for task in tasks],
            [task.run_at for task in tasks],
            [task.max_attempts or default_max_attempts(task.kind) for task in tasks],
            [task.max_losses for task in tasks],
            [task.timeout for task in tasks],
            [task.group for task in tasks],
        )
        return [TaskId(row[0]) for row in rows]

    async def read(self, task_id: TaskId) -> TaskRecord:
        """Return everything known of a task, with the attempts before its last.

        Raises:
            UnknownTaskError: there is no such task.
        """
        rows = await self._line.fetch("read_tasks", [task_id])
        if not rows:
            raise UnknownTaskError(task_id)
        history = await self._line.fetch("read_attempts", task_id)
        return replace(_record(rows[0]), history=tuple(_ended_attempt(row) for row in history))

    async def read_many(self, task_ids: Sequence[TaskId]) -> list[TaskRecord]:
        """Return everything known of those tasks that exist, by id, without earlier attempts."""
        return [_record(row) for row in await self._line.fetch("read_tasks", list(task_ids))]

    async def read_ended(self, task_ids: Sequence[TaskId]) -> list[EndedTask]:
        """Return those of the tasks that have ended."""
        return [_ended(row) for row in await self._line.fetch("read_ended_tasks", list(task_ids))]

    async def cancel(self, task_ids: Sequence[TaskId]) -> dict[TaskId, TaskState]:
        """Call tasks off; return the state each is now in.

        A leased task stays in its state until nothing of it runs. A task that has ended, or that
        another transaction holds at this moment, is not in the answer.
        """
        rows = await self._line.fetch("cancel_tasks", list(task_ids))
        return {TaskId(row["id"]): TaskState(row["state"]) for row in rows}

    async def revive(self, task_ids: Sequence[TaskId]) -> list[TaskId]:
        """Queue failed and cancelled tasks once more; return those that were."""
        return [TaskId(row["id"]) for row in await self._line.fetch("revive_tasks", list(task_ids))]

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

    async def count_orphans(self) -> int:
        """Return how many leased tasks have no lease, or leases a wrong count. It must be 0."""
        return await self._line.fetch_value("count_orphans")


def _checked_payload(task: NewTask) -> str:
    """Return the payload as JSON, or refuse the task with the name of the field and its value."""
    for what, name in (("kind", task.kind), ("queue", task.queue), ("group", task.group)):
        if name is not None and not NAME.fullmatch(name):
            raise RefusedTaskError(
                f"a {what} is 1 to 200 characters without white space, not {name!r}"
            )
    if not 0 <= task.priority <= LEAST_URGENT:
        raise RefusedTaskError(
            f"a priority is from 0 (most urgent) to {LEAST_URGENT} (least), not {task.priority}"
        )
    _check_limits(task)
    try:
        payload = encode_json(task.payload)
    except UnstorableValueError as error:
        raise RefusedTaskError(f"the payload of a {task.kind} task: {error}") from error
    size = len(payload.encode())
    if size > MAX_PAYLOAD_BYTES:
        raise RefusedTaskError(
            f"the payload is {size:,} bytes; at most {MAX_PAYLOAD_BYTES:,} (1 MiB) are kept."
            " Put it into a file, and the file's path into the payload"
        )
    return payload


def _check_limits(task: NewTask) -> None:
    if task.max_attempts is not None and not 1 <= task.max_attempts <= MOST_TIMES:
        raise RefusedTaskError(f"max_attempts is from 1 to {MOST_TIMES:,}, not {task.max_attempts}")
    if not 0 <= task.max_losses <= MOST_TIMES:
        raise RefusedTaskError(f"max_losses is from 0 to {MOST_TIMES:,}, not {task.max_losses}")
    if task.timeout is not None and task.timeout <= timedelta(0):
        raise RefusedTaskError(f"a timeout is longer than nothing, not {task.timeout}")
    if task.run_at is None:
        return
    if task.run_at.tzinfo is None:
        raise RefusedTaskError(f"run_at needs a time zone: {task.run_at.isoformat()}")
    if task.run_at > LATEST_RUN_AT:
        raise RefusedTaskError(
            f"run_at is before {LATEST_RUN_AT:%Y-%m-%d}, not {task.run_at.isoformat()}"
        )


def _record(row: Row) -> TaskRecord:
    lease_id, worker_id = row["lease_id"], row["worker_id"]
    return TaskRecord(
        id=TaskId(row["id"]),
        kind=row["kind"],
        queue=row["queue"],
        group=row["group_name"],
        payload=decode_json(row["payload"]),
        priority=row["priority"],
        state=TaskState(row["state"]),
        attempt=row["attempt"],
        failures=row["failures"],
        max_attempts=row["max_attempts"],
        losses=row["losses"],
        max_losses=row["max_losses"],
        timeout=row["timeout"],
        created_at=row["created_at"],
        run_at=row["run_at"],
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
        attempt=row["attempt"],
        outcome=row["outcome"],
        error=row["error"],
        worker_id=WorkerId(worker_id) if worker_id else None,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )
