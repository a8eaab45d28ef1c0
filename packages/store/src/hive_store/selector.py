"""Tasks found by what they are rather than by their ids: for lists, and for acting on many."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hive_contracts.ids import TaskId, WorkerId
from hive_contracts.labels import needs_in, slots_in
from hive_contracts.selecting import Selection
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_store.endless import aware
from hive_store.line import Line, Row

__all__ = ["GroupProgress", "Selector", "TaskSummary"]

PAGE: Final = 1000
"""Most ids at a time."""
RECENT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSummary:
    """What a list shows of a task. Moments are the database's."""

    id: TaskId
    kind: str
    queue: str
    group: str | None
    priority: int
    state: TaskState
    attempt: int
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    worker_id: WorkerId | None
    worker_host: str | None
    error: str | None
    parked_reason: str | None = None
    """Why it is set aside; None if it is not. Without an end, `run_at` is `datetime.max`."""

    needs: tuple[str, ...] = ()
    slots: int = 1
    key: str | None = None
    blocked_by: str | None = None
    """While it is blocked: "tasks" it comes after, its "key", "answer", or the name of a limit."""

    asked_at: datetime | None = None
    """Since when it waits for an answer; None if it does not."""

    now: datetime
    """The database's time when this was read, to count ages from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupProgress:
    """How far a group is."""

    counts: dict[TaskState, int]
    ends_per_second: float
    """How many tasks ended a second lately: within a minute, or since the first was submitted."""

    @property
    def total(self) -> int:
        """How many tasks there are."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """How many of them have ended."""
        return sum(count for state, count in self.counts.items() if state in TERMINAL_STATES)

    @property
    def left_seconds(self) -> float | None:
        """How long the rest takes at that rate; None if nothing has ended lately."""
        if not self.ends_per_second:
            return None
        return (self.total - self.ended) / self.ends_per_second


class Selector:
    """Finds tasks over a line, and changes nothing."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def page(
        self,
        selection: Selection,
        *,
        limit: int,
        before: TaskId | None = None,
        needs_answer: bool = False,
    ) -> list[TaskSummary]:
        """Return the newest `limit` tasks that fit; with `before`, only tasks older than that.

        With `needs_answer` only such as wait for an answer.
        """
        find = self._asking_ids if needs_answer else self._ids
        task_ids = await find(selection, before=before, limit=limit)
        return [_summary(row) for row in await self._line.fetch("summarize_tasks", task_ids)]

    async def pages_of_ids(self, selection: Selection) -> AsyncGenerator[list[TaskId]]:
        """Yield the ids of all tasks that fit, newest first, up to 1,000 at a time.

        Tasks that are submitted meanwhile are not among them.
        """
        last: TaskId | None = None
        while page := await self._ids(selection, before=last, limit=PAGE):
            yield page
            last = page[-1]

    async def count_group(self, group: str) -> dict[TaskState, int]:
        """Return how many tasks of a group are in which state; empty if there is no such group."""
        rows = await self._line.fetch("count_group", group)
        return {TaskState(row["state"]): row["count"] for row in rows}

    async def progress(self, group: str) -> GroupProgress:
        """Return how far a group is; it has no tasks if there is no such group."""
        rows = await self._line.fetch("look_at_group", group, RECENT_SECONDS)
        age_seconds = max((row["age_seconds"] for row in rows), default=0.0)
        span_seconds = max(1.0, min(RECENT_SECONDS, age_seconds))
        return GroupProgress(
            counts={TaskState(row["state"]): row["count"] for row in rows},
            ends_per_second=sum(row["lately"] for row in rows) / span_seconds,
        )

    async def count_asking(self) -> int:
        """Return how many tasks wait for an answer."""
        return await self._line.fetch_value("count_asking")

    async def members(
        self,
        task_ids: Sequence[TaskId],
        *,
        group: str | None = None,
        queue: str | None = None,
        kind: str | None = None,
    ) -> set[TaskId]:
        """Return those of the tasks that belong to a group, a queue and a kind; None for any."""
        rows = await self._line.fetch("select_members", list(task_ids), group, queue, kind)
        return {TaskId(row["id"]) for row in rows}

    async def _ids(
        self, selection: Selection, *, before: TaskId | None, limit: int
    ) -> list[TaskId]:
        rows = await self._line.fetch("select_tasks", *_terms(selection, before, limit))
        return [TaskId(row["id"]) for row in rows]

    async def _asking_ids(
        self, selection: Selection, *, before: TaskId | None, limit: int
    ) -> list[TaskId]:
        rows = await self._line.fetch("select_asking_tasks", *_terms(selection, before, limit))
        return [TaskId(row["id"]) for row in rows]


def _terms(selection: Selection, before: TaskId | None, limit: int) -> tuple[object, ...]:
    return (
        sorted(selection.states) or None,
        selection.queue,
        selection.kind,
        selection.group,
        selection.created_from,
        selection.created_before,
        before,
        limit,
        selection.key,
    )


def _summary(row: Row) -> TaskSummary:
    worker_id = row["worker_id"]
    return TaskSummary(
        id=TaskId(row["id"]),
        kind=row["kind"],
        queue=row["queue"],
        group=row["group_name"],
        priority=row["priority"],
        state=TaskState(row["state"]),
        attempt=row["attempt"],
        created_at=row["created_at"],
        run_at=aware(row["run_at"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        worker_id=WorkerId(worker_id) if worker_id else None,
        worker_host=row["worker_host"],
        error=row["error"],
        parked_reason=row["parked_reason"],
        needs=needs_in(row["needs"]),
        slots=slots_in(row["needs"]),
        key=row["key"],
        blocked_by=row["blocked_by"],
        asked_at=row["asked_at"],
        now=row["now"],
    )
