"""Schedules in print: a table of all, everything about one, and the moments that come."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final, assert_never
from zoneinfo import ZoneInfo

from hive.durations import show_seconds
from hive.moments import show_moment
from hive.printing import as_json
from hive.tables import columns, fit, narrowed_lines
from hive.words import counted
from hive_client.schedules import next_ticks
from hive_contracts.schedules import (
    NOT_OF_TICKS,
    Cron,
    Every,
    Once,
    Schedule,
    ScheduleTick,
    TickOutcome,
    When,
)
from hive_contracts.tasks import NewTask
from hive_contracts.tick_plans import MOST_COUNTED
from hive_contracts.ticks import said

__all__ = ["list_lines", "moment_lines", "plain", "plain_moments", "portrait_lines", "when_words"]

LABEL_COLUMNS: Final = 10
FOLDED: Final = frozenset({"limits"})
"""What goes on below if it is long; of all else the beginning is enough."""

HEADS: Final = ("name", "when", "next", "state", "task")


def when_words(when: When) -> str:
    """Return when a schedule falls due, in words."""
    match when:
        case Cron():
            return f"{when.expression} {when.zone}"
        case Every():
            return f"every {_duration(when.interval)}"
        case Once():
            return f"once, {show_moment(when.at)}"
        case _:
            assert_never(when)


def plain(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule for programs, durations in seconds."""
    fields = asdict(schedule)
    when, task = fields.pop("when"), fields.pop("task")
    del fields["now"]
    for field in NOT_OF_TICKS:
        del task[field]
    if "interval" in when:
        when["interval_seconds"] = when.pop("interval").total_seconds()
    return {
        **_in_seconds(fields, "spread", "expires_in"),
        "when": when,
        "task": _in_seconds(task, "timeout", "silence_timeout"),
        "state": _state(schedule),
    }


def _in_seconds(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the fields with the durations named in seconds."""
    spans = {f"{name}_seconds": fields[name] and fields[name].total_seconds() for name in names}
    return {name: value for name, value in fields.items() if name not in names} | spans


def list_lines(schedules: Sequence[Schedule]) -> list[str]:
    """Return a table of schedules."""
    cells = [
        [
            schedule.name,
            when_words(schedule.when),
            _next_words(schedule),
            _state(schedule),
            "-" if schedule.last_task_id is None else str(schedule.last_task_id),
        ]
        for schedule in schedules
    ]
    return narrowed_lines(HEADS, cells, texts={"name", "when", "state"}, numbers={"task"})


def portrait_lines(
    schedule: Schedule, ticks: Sequence[ScheduleTick], *, is_full: bool
) -> list[str]:
    """Return everything about one schedule; what is long is cut unless `is_full`."""
    width = columns() - LABEL_COLUMNS
    lines: list[str] = []
    for label, text in _facts(schedule):
        parts = textwrap.wrap(text, width) if label in FOLDED else [fit(text, width)]
        heads = [label, *[""] * len(parts)]
        shown = zip(heads, [text] if is_full else parts, strict=False)
        lines += [f"{head:<{LABEL_COLUMNS}}{part}" for head, part in shown]
    if ticks:
        lines += ["", "ticks", *(f"  {_tick_line(tick)}" for tick in ticks)]
    verb = "resume" if schedule.paused_at else "pause"
    names = f"{schedule.name} | hive schedule {verb} {schedule.name}"
    return [*lines, "", f"next: hive schedule next {names}"]


def moment_lines(schedule: Schedule, *, count: int) -> list[str]:
    """Return the next moments, as the clock on the schedule's wall shows them."""
    return [
        f"{_wall(schedule.when, tick)}  in {_until(tick, schedule.now)}"
        for tick in next_ticks(schedule, count=count)
    ]


def plain_moments(schedule: Schedule, *, count: int) -> list[dict[str, Any]]:
    """Return the next moments for programs."""
    return [
        {"at": tick, "said": said(schedule.when, tick)}
        for tick in next_ticks(schedule, count=count)
    ]


def _facts(schedule: Schedule) -> Iterator[tuple[str, str]]:
    task = schedule.task
    yield "schedule", schedule.name
    yield "when", when_words(schedule.when)
    yield "state", _state(schedule)
    if schedule.fault is not None:
        yield "fault", schedule.fault
    yield "next", _next_words(schedule)
    if schedule.last_tick_at is not None:
        last = _wall(schedule.when, schedule.last_tick_at)
        yield "last", f"{last}, task {schedule.last_task_id}"
    most = f", {schedule.max_missed} at most" if schedule.missed == "all" else ""
    yield "missed", f"{schedule.missed}{most}"
    waiting = f", {schedule.waiting} waiting" if schedule.waiting else ""
    yield "overlap", f"{schedule.overlap}{waiting}"
    if schedule.spread:
        yield "spread", _duration(schedule.spread)
    yield "kind", task.kind
    yield "queue", f"{task.queue}, priority {task.priority}"
    yield "group", task.group or schedule.name
    yield from _demands(task)
    yield "payload", as_json(task.payload)
    yield "limits", _limits(schedule)


def _demands(task: NewTask) -> Iterator[tuple[str, str]]:
    if task.key is not None:
        yield "key", task.key
    if task.needs:
        yield "needs", ", ".join(task.needs)
    if task.breaker is not None:
        yield "breaker", task.breaker
    if task.slots > 1:
        yield "slots", str(task.slots)


def _limits(schedule: Schedule) -> str:
    task = schedule.task
    losses = counted(task.max_losses, "loss", "losses") if task.max_losses else "never run again"
    timeout = f"time-out {_duration(task.timeout)}" if task.timeout else "no time-out"
    parts = [counted(task.max_attempts or 1, "failure"), losses, timeout]
    if task.silence_timeout:
        parts.append(f"silence {_duration(task.silence_timeout)}")
    if task.retry:
        parts.append(f"retries: {task.retry}")
    if schedule.expires_in:
        parts.append(f"waits {_duration(schedule.expires_in)} after its tick at most")
    return ", ".join(parts)


def _state(schedule: Schedule) -> str:
    if schedule.fault is not None:
        return "fault"
    if schedule.paused_at is not None:
        return "paused"
    return "over" if schedule.is_reckoned and schedule.next_at is None else "active"


def _next_words(schedule: Schedule) -> str:
    coming = [] if schedule.paused_at else next_ticks(schedule, count=1)
    return _wall(schedule.when, coming[0]) if coming else "-"


def _tick_line(tick: ScheduleTick) -> str:
    at = datetime.fromisoformat(tick.said).strftime("%Y-%m-%d %H:%M:%S %z")
    extra = "  asked for" if tick.is_extra else ""
    match tick.outcome:
        case TickOutcome.SUBMITTED:
            return f"{at}  task {tick.task_id}{extra}"
        case TickOutcome.WAITING:
            return f"{at}  waits"
        case TickOutcome.SKIPPED:
            more = " or more" if tick.count >= MOST_COUNTED else ""
            many = f" ({tick.count:,}{more}, up to this one)" if tick.count > 1 else ""
            return f"{at}  skipped: {tick.reason}{many}"
        case _:
            assert_never(tick.outcome)


def _wall(when: When, tick: datetime) -> str:
    if isinstance(when, Cron):
        return f"{tick.astimezone(ZoneInfo(when.zone)):%Y-%m-%d %H:%M:%S %z}"
    return f"{tick.astimezone():%Y-%m-%d %H:%M:%S %z}"


def _until(tick: datetime, now: datetime) -> str:
    return show_seconds(max(0.0, (tick - now).total_seconds()))


def _duration(span: timedelta) -> str:
    return show_seconds(span.total_seconds())
