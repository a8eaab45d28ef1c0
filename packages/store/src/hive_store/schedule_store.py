"""Schedules as people and programs see them: add, look, pause, resume, remove, and run one now."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from hive_contracts.errors import RefusedScheduleError, RefusedTaskError, UnknownScheduleError
from hive_contracts.ids import ScheduleId, TaskId
from hive_contracts.labels import joined
from hive_contracts.retrying import retry_in
from hive_contracts.schedules import (
    NOT_OF_TICKS,
    Missed,
    NewSchedule,
    Once,
    Overlap,
    Schedule,
    ScheduleTick,
    When,
)
from hive_contracts.sealing import Sealer
from hive_contracts.tasks import NewTask, default_max_attempts
from hive_contracts.ticks import check_when, said
from hive_contracts.wire import decode_json, encode_json
from hive_store.callers import transaction_on
from hive_store.deeds import Actor
from hive_store.line import Line
from hive_store.refusing import checked_payload
from hive_store.schedule_columns import columns_of
from hive_store.schedule_rows import schedule_in, tick_in
from hive_store.statements import statement
from hive_store.submitting import send

__all__ = ["ScheduleCounts", "ScheduleStore", "TroubledSchedule"]

NAME: Final = re.compile(r"[^\s\x00\ud800-\udfff]{1,200}")
MOST_MISSED: Final = 1000
LONGEST_SPREAD: Final = timedelta(days=1)
LONGEST_EXPIRY: Final = timedelta(days=3660)
PAGE: Final = 500
TICK: Final = "{tick}"
PLAIN: Final = NewTask(kind="none")


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
        rows = await self._line.fetch(
            "put_schedule",
            schedule.name,
            *columns_of(schedule.when),
            task.kind,
            self._payload(task),
            task.queue,
            task.priority,
            task.max_attempts or default_max_attempts(task.kind, task.retry),
            task.max_losses,
            task.timeout,
            task.group,
            schedule.missed,
            schedule.max_missed,
            schedule.overlap,
            schedule.spread,
            task.key,
            joined(task.needs, task.slots),
            task.breaker,
            None if task.retry is None else str(retry_in(str(task.retry))),
            task.silence_timeout,
            schedule.expires_in,
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
        return schedule_in(rows[0])

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
            yield [self._readable(schedule_in(row)) for row in rows]
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
        expires_at = None if schedule.expires_in is None else schedule.now + schedule.expires_in
        task = replace(schedule.task, payload=decode_json(payload), expires_at=expires_at)
        async with self._line.lent() as connection, transaction_on(connection):
            [row], _ = await send(connection, [task])
            [task_id] = row["ids"]
            if not await connection.fetch(
                statement("note_extra_tick"), schedule.id, schedule.now, shown, task_id, *actor
            ):
                raise UnknownScheduleError(name)
        return TaskId(task_id)

    async def ticks(self, schedule_id: ScheduleId, *, limit: int) -> list[ScheduleTick]:
        """Return what became of the last ticks of a schedule, the last one first."""
        return [tick_in(row) for row in await self._line.fetch("read_ticks", schedule_id, limit)]

    async def tick_of(self, task_id: TaskId) -> ScheduleTick | None:
        """Return which tick a task is of; None if it is of none, or of one that is forgotten."""
        rows = await self._line.fetch("read_tick_of_task", task_id)
        return tick_in(rows[0]) if rows else None

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
    for field, reason in NOT_OF_TICKS.items():
        if getattr(schedule.task, field) != getattr(PLAIN, field):
            raise RefusedScheduleError(f"the task of a schedule has no {field}: {reason}")
    if not 1 <= schedule.max_missed <= MOST_MISSED:
        raise RefusedScheduleError(
            f"max_missed is from 1 to {MOST_MISSED:,}, not {schedule.max_missed}"
        )
    if schedule.spread is not None and not timedelta(0) <= schedule.spread <= LONGEST_SPREAD:
        raise RefusedScheduleError(f"a spread is from nothing to a day, not {schedule.spread}")
    _check_expiry(schedule.expires_in, schedule.spread or timedelta(0))
    if schedule.missed is Missed.ALL and schedule.overlap is Overlap.SKIP:
        raise RefusedScheduleError(
            "all missed ticks together overlap, and all but one would be skipped: where missed is"
            " all, overlap is queue or allow"
        )


def _check_expiry(expires_in: timedelta | None, spread: timedelta) -> None:
    if expires_in is None:
        return
    if not timedelta(0) < expires_in <= LONGEST_EXPIRY:
        raise RefusedScheduleError(
            f"expires_in is longer than nothing and {LONGEST_EXPIRY.days:,} days at most, not"
            f" {expires_in}"
        )
    if expires_in <= spread:
        raise RefusedScheduleError(
            f"tasks that start up to {spread} after their tick would expire before, {expires_in}"
            " after it; let expires_in be longer than the spread"
        )
