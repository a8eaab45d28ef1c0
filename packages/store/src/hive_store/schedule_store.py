"""Schedules as people and programs see them: add, look, pause, resume, remove, and run one now."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from hive_contracts.errors import RefusedScheduleError, RefusedTaskError, UnknownScheduleError
from hive_contracts.ids import ScheduleId, TaskId
from hive_contracts.schedules import (
    Missed,
    NewSchedule,
    Once,
    Overlap,
    Schedule,
    ScheduleTick,
    SkipReason,
    TickOutcome,
    When,
)
from hive_contracts.sealing import Sealer
from hive_contracts.tasks import NewTask, default_max_attempts
from hive_contracts.ticks import check_when, said
from hive_contracts.wire import decode_json, encode_json
from hive_store.conditions import has_conditions
from hive_store.deeds import Actor
from hive_store.line import Line, Row
from hive_store.refusing import checked_payload
from hive_store.schedule_columns import columns_of, when_of
from hive_store.statements import statement
from hive_store.submitting import send

__all__ = ["ScheduleCounts", "ScheduleStore", "TroubledSchedule"]

NAME: Final = re.compile(r"[^\s\x00\ud800-\udfff]{1,200}")
MOST_MISSED: Final = 1000
LONGEST_SPREAD: Final = timedelta(days=1)
PAGE: Final = 500
TICK: Final = "{tick}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCounts:
    """How many schedules there are, and how they do."""

    count: int
    paused: int
    faulty: int
    """How many have no moment that could be reckoned."""

    next_seconds: float | None
    """In how long the next one falls due; None if none is known to."""


@dataclass(frozen=True, slots=True)
class TroubledSchedule:
    """A schedule that comes to nothing."""

    name: str
    queue: str
    fault: str | None
    """Why it cannot be reckoned; None if no living worker serves its queue."""


class ScheduleStore:
    """Schedules in Postgres."""

    def __init__(self, line: Line, *, sealer: Sealer | None = None) -> None:
        """Make a store over `line`; `sealer` seals the tasks of schedules as they are added."""
        self._line = line
        self._sealer = sealer

    async def put(self, schedule: NewSchedule, *, replaces: bool, actor: Actor) -> ScheduleId:
        """Add a schedule; return its id.

        Args:
            schedule: what to add.
            replaces: also if there is one of its name, which then is what is said here. It keeps
                its ticks, and stays paused if it is.
            actor: who adds it.

        Raises:
            RefusedScheduleError: it may not be added as it stands, or there is one of its name.
            RefusedTaskError: its task may not be submitted as it stands.
            StoreUnavailableError: Postgres did not answer; nothing can be said of the schedule.
        """
        _check(schedule)
        await self._refuse_the_past(schedule.when)
        task = schedule.task
        if has_conditions(task) or task.name is not None:
            raise RefusedTaskError(
                "the task of a schedule has no key, unique key, expiry, silence limit or retry"
                " policy, and comes after no other: what its ticks do to one another is the"
                " schedule's overlap"
            )
        rows = await self._line.fetch(
            "put_schedule",
            schedule.name,
            *columns_of(schedule.when),
            task.kind,
            self._payload(task),
            task.queue,
            task.priority,
            task.max_attempts or default_max_attempts(task.kind),
            task.max_losses,
            task.timeout,
            task.group,
            schedule.missed,
            schedule.max_missed,
            schedule.overlap,
            schedule.spread,
            replaces,
            *actor,
        )
        if not rows:
            raise RefusedScheduleError(
                f"there is a schedule {schedule.name!r} already; replace it (--replace), or choose"
                " another name"
            )
        return ScheduleId(rows[0]["id"])

    def _payload(self, task: NewTask) -> str:
        payload = checked_payload(task)
        sealed = task if self._sealer is None else self._sealer.sealed(task)
        if sealed is task:
            return payload
        if TICK in payload:
            raise RefusedTaskError(
                f"{TICK} can't be filled in where payloads are signed or encrypted: every tick"
                " has the same; let the task ask for the time, or set no sealing"
            )
        return checked_payload(sealed)

    async def _refuse_the_past(self, when: When) -> None:
        if not isinstance(when, Once):
            return
        now = await self._line.fetch_value("read_clock")
        if when.at <= now:
            raise RefusedScheduleError(
                f"{when.at.isoformat()} is over: the database's clock shows {now.isoformat()}"
            )

    async def read(self, name: str) -> Schedule:
        """Return a schedule.

        Raises:
            UnknownScheduleError: there is none of that name.
        """
        return self._readable(await self._stored(name))

    async def _stored(self, name: str) -> Schedule:
        rows = await self._line.fetch("read_schedules", name, None, 1)
        if not rows:
            raise UnknownScheduleError(name)
        return _schedule(rows[0])

    def _readable(self, schedule: Schedule) -> Schedule:
        if self._sealer is None:
            return schedule
        task = schedule.task
        payload = self._sealer.readable_payload(task.payload, kind=task.kind, queue=task.queue)
        return replace(schedule, task=replace(task, payload=payload))

    async def pages(self) -> AsyncGenerator[list[Schedule]]:
        """Yield all schedules in the order of their names, up to 500 at a time."""
        last: str | None = None
        while rows := await self._line.fetch("read_schedules", None, last, PAGE):
            yield [self._readable(_schedule(row)) for row in rows]
            last = rows[-1]["name"]

    async def set_paused(self, name: str, *, is_paused: bool, actor: Actor) -> bool:
        """Pause or resume a schedule; return whether that changed anything.

        Raises:
            UnknownScheduleError: there is none of that name.
        """
        rows = await self._line.fetch("pause_schedule", name, is_paused, *actor)
        if not rows:
            raise UnknownScheduleError(name)
        return rows[0]["changes"]

    async def remove(self, name: str, *, actor: Actor) -> None:
        """Remove a schedule; its tasks stay.

        Raises:
            UnknownScheduleError: there is none of that name.
        """
        if not await self._line.fetch("remove_schedule", name, *actor):
            raise UnknownScheduleError(name)

    async def run(self, name: str, *, actor: Actor) -> TaskId:
        """Submit a schedule's task now, whatever else it does; return the task's id.

        Raises:
            UnknownScheduleError: there is none of that name.
        """
        schedule = await self._stored(name)
        shown = said(schedule.when, schedule.now)
        payload = encode_json(schedule.task.payload).replace(TICK, shown)
        task = replace(schedule.task, payload=decode_json(payload))
        async with self._line.lent() as connection, connection.transaction():
            [row], _ = await send(connection, [task])
            [task_id] = row["ids"]
            if not await connection.fetch(
                statement("note_extra_tick"), schedule.id, schedule.now, shown, task_id, *actor
            ):
                raise UnknownScheduleError(name)
        return TaskId(task_id)

    async def ticks(self, schedule_id: ScheduleId, *, limit: int) -> list[ScheduleTick]:
        """Return what became of the last ticks of a schedule, the last one first."""
        return [_tick(row) for row in await self._line.fetch("read_ticks", schedule_id, limit)]

    async def tick_of(self, task_id: TaskId) -> ScheduleTick | None:
        """Return which tick a task is of; None if it is of none, or of one that is forgotten."""
        rows = await self._line.fetch("read_tick_of_task", task_id)
        return _tick(rows[0]) if rows else None

    async def counts(self) -> ScheduleCounts:
        """Return how many there are, and how they do."""
        [row] = await self._line.fetch("count_schedules")
        return ScheduleCounts(**row)

    async def troubled(self, *, living: timedelta, limit: int) -> list[TroubledSchedule]:
        """Return schedules that come to nothing: faulty ones, and those whose queue nobody serves.

        Args:
            living: a worker that was seen within this time lives.
            limit: most to return.
        """
        rows = await self._line.fetch("find_troubled_schedules", living.total_seconds(), limit)
        return [TroubledSchedule(row["name"], row["queue"], row["fault"]) for row in rows]


def _check(schedule: NewSchedule) -> None:
    if NAME.fullmatch(schedule.name) is None:
        raise RefusedScheduleError(
            f"a schedule's name is 1 to 200 characters without white space, not {schedule.name!r}"
        )
    check_when(schedule.when)
    if schedule.task.run_at is not None:
        raise RefusedScheduleError(
            "the task of a schedule has no run_at: its ticks say when; use a spread for later"
        )
    if not 1 <= schedule.max_missed <= MOST_MISSED:
        raise RefusedScheduleError(
            f"max_missed is from 1 to {MOST_MISSED:,}, not {schedule.max_missed}"
        )
    if schedule.spread is not None and not timedelta(0) <= schedule.spread <= LONGEST_SPREAD:
        raise RefusedScheduleError(f"a spread is from nothing to a day, not {schedule.spread}")
    if schedule.missed is Missed.ALL and schedule.overlap is Overlap.SKIP:
        raise RefusedScheduleError(
            "all missed ticks together overlap, and all but one would be skipped: where missed is"
            " all, overlap is queue or allow"
        )


def _schedule(row: Row) -> Schedule:
    task_id = row["last_task_id"]
    return Schedule(
        id=ScheduleId(row["id"]),
        name=row["name"],
        when=when_of(row),
        task=_task(row),
        missed=Missed(row["missed"]),
        max_missed=row["max_missed"],
        overlap=Overlap(row["overlap"]),
        spread=row["spread"],
        created_at=row["created_at"],
        paused_at=row["paused_at"],
        since=row["since"],
        next_at=row["next_at"],
        is_reckoned=row["is_reckoned"],
        fault=row["fault"],
        waiting=row["waiting"],
        last_tick_at=row["last_tick_at"],
        last_task_id=None if task_id is None else TaskId(task_id),
        now=row["now"],
    )


def _task(row: Row) -> NewTask:
    return NewTask(
        kind=row["kind"],
        payload=decode_json(row["payload"]),
        queue=row["queue"],
        priority=row["priority"],
        max_attempts=row["max_attempts"],
        max_losses=row["max_losses"],
        timeout=row["timeout"],
        group=row["group_name"] or row["name"],
    )


def _tick(row: Row) -> ScheduleTick:
    reason, task_id = row["reason"], row["task_id"]
    return ScheduleTick(
        schedule=row["schedule_name"],
        tick_at=row["tick_at"],
        said=row["said"],
        outcome=TickOutcome(row["outcome"]),
        reason=None if reason is None else SkipReason(reason),
        count=row["count"],
        task_id=None if task_id is None else TaskId(task_id),
        is_extra=row["is_extra"],
        decided_at=row["decided_at"],
    )
