"""Schedules and their ticks, as the rows that are read of them say."""

from hive_contracts.ids import ScheduleId, TaskId
from hive_contracts.labels import needs_in, slots_in
from hive_contracts.schedules import (
    Missed,
    Overlap,
    Schedule,
    ScheduleTick,
    SkipReason,
    TickOutcome,
)
from hive_contracts.tasks import NewTask
from hive_contracts.wire import decode_json
from hive_store.line import Row
from hive_store.schedule_columns import when_of

__all__ = ["schedule_in", "tick_in"]


def schedule_in(row: Row) -> Schedule:
    """Return the schedule that a row of `read_schedules.sql` says."""
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
        expires_in=row["expires_in"],
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
        key=row["key"],
        needs=needs_in(row["needs"]),
        slots=slots_in(row["needs"]),
        breaker=row["breaker"],
        retry=row["retry"],
        silence_timeout=row["silence_timeout"],
    )


def tick_in(row: Row) -> ScheduleTick:
    """Return what a row of `hive.tick` says."""
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
