"""One task with all that is known of it, as `hive show` prints it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hive.durations import show_seconds
from hive.settings import Settings
from hive.tables import COLUMNS, cut, fit
from hive.tasks.reaching import open_view
from hive.tasks.waiting import LIVING, reason_to_wait
from hive_contracts.events import Event
from hive_contracts.ids import TaskId, WorkerId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.tasks import TaskRecord
from hive_store.fleet_store import SeenWorker
from hive_store.onlooker import Situation

__all__ = ["Portrait", "as_lines", "as_plain", "portray"]

REMEMBERED: Final = timedelta(days=2)
"""Workers that are gone are looked up too: an old attempt ran on one."""

LABEL_COLUMNS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A task, and what is around it."""

    record: TaskRecord
    situation: Situation
    outcome: OutcomeName | None
    """How it ended; None if it has not."""

    waits_for: str | None
    events: Sequence[Event]
    workers: Mapping[WorkerId, SeenWorker]


async def portray(settings: Settings, number: int) -> Portrait:
    """Look at a task from every side.

    Raises:
        UnknownTaskError: there is no such task.
    """
    task_id = TaskId(number)
    async with open_view(settings) as view:
        record = await view.tasks.read(task_id)
        situation = await view.onlooker.look(task_id)
        workers = await view.fleet.workers(seen_within=REMEMBERED)
        living = [w for w in workers if w.unseen_seconds < LIVING.total_seconds()]
        ended = await view.tasks.read_ended([task_id])
        return Portrait(
            record=record,
            situation=situation,
            outcome=ended[0].outcome if ended else None,
            waits_for=reason_to_wait(record, situation, living),
            events=await view.events.of_task(task_id),
            workers={worker.id: worker for worker in workers},
        )


def as_plain(portrait: Portrait) -> dict[str, Any]:
    """Return everything for programs: durations in seconds, moments in ISO 8601."""
    fields = asdict(portrait.record)
    timeout = portrait.record.timeout
    fields["timeout_seconds"] = timeout.total_seconds() if timeout else None
    del fields["timeout"]
    found = fields | {
        "outcome": portrait.outcome,
        "waits_for": portrait.waits_for,
        "ahead": portrait.situation.ahead,
        "last_output_seconds_ago": portrait.situation.unheard_seconds,
        "events": [
            {"at": event.at, "type": event.type, "attempts": event.attempts, "reason": event.reason}
            for event in portrait.events
        ],
    }
    return json.loads(json.dumps(found, default=_plain))


def as_lines(portrait: Portrait, *, is_full: bool) -> list[str]:
    """Return everything for people; what is long is cut unless `is_full`."""
    parts: list[str] = []
    for label, text in _facts(portrait):
        lines = text.splitlines() if is_full else [fit(text, COLUMNS - LABEL_COLUMNS)]
        parts += [f"{label:<{LABEL_COLUMNS}}{line}" for label, line in _labelled(label, lines)]
    for head, rows in (("attempts", _attempts(portrait)), ("events", _events(portrait))):
        if rows:
            parts += ["", head, *(f"  {row if is_full else _row(row)}" for row in rows)]
    return parts


def _row(text: str) -> str:
    return cut(text.partition("\n")[0], COLUMNS - 2)


def _labelled(label: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield label, lines[0] if lines else ""
    yield from (("", line) for line in lines[1:])


def _facts(portrait: Portrait) -> Iterator[tuple[str, str]]:
    record, now = portrait.record, portrait.situation.now
    yield "task", f"{record.id}"
    yield "kind", record.kind
    yield "queue", f"{record.queue}, priority {record.priority}"
    yield "state", _state(portrait)
    if portrait.waits_for:
        yield "waits", portrait.waits_for
    if record.cancel_requested_at and record.state not in TERMINAL_STATES:
        yield "cancel", f"asked for {_ago(record.cancel_requested_at, now)}; it is being stopped"
    yield "payload", _json(record.payload)
    yield "submitted", f"{_moment(record.created_at)} ({_ago(record.created_at, now)})"
    yield "limits", _limits(record)
    if record.result is not None:
        yield "result", _json(record.result)
    if record.error is not None:
        yield "error", record.error


def _state(portrait: Portrait) -> str:
    record, now = portrait.record, portrait.situation.now
    if record.state is TaskState.RUNNING:
        since = show_seconds((now - record.started_at).total_seconds() if record.started_at else 0)
        unheard = portrait.situation.unheard_seconds
        heard = "no output yet" if unheard is None else f"last output {show_seconds(unheard)} ago"
        return f"running for {since} on {_place(record.worker_id, portrait)}; {heard}"
    if record.state not in TERMINAL_STATES or record.finished_at is None:
        return str(record.state)
    word = "timed out" if portrait.outcome is OutcomeName.TIMED_OUT else None
    how = f"{record.state} ({word})" if word else str(record.state)
    return f"{how} {_ago(record.finished_at, now)}{_took(record)}"


def _took(record: TaskRecord) -> str:
    if record.started_at is None or record.finished_at is None:
        return ""
    return f", after {show_seconds((record.finished_at - record.started_at).total_seconds())}"


def _limits(record: TaskRecord) -> str:
    timeout = f"time-out {show_seconds(record.timeout.total_seconds())}" if record.timeout else ""
    failures = f"{record.failures} of {record.max_attempts} failures"
    losses = f"{record.losses} of {record.max_losses} losses"
    if not record.max_losses:
        losses = "never run again after a loss"
    return ", ".join(part for part in (failures, losses, timeout or "no time-out") if part)


def _attempts(portrait: Portrait) -> list[str]:
    record = portrait.record
    rows = [
        _attempt(
            past.attempt,
            past.outcome,
            (past.started_at, past.ended_at),
            _after(_place(past.worker_id, portrait), past.error),
        )
        for past in record.history
    ]
    if record.attempt and record.state not in (TaskState.SCHEDULED, TaskState.QUEUED):
        rows.append(
            _attempt(
                record.attempt,
                portrait.outcome or record.state,
                (record.started_at, record.finished_at),
                _after(_place(record.worker_id, portrait), record.error),
            )
        )
    return rows


def _attempt(
    number: int, outcome: str, span: tuple[datetime | None, datetime | None], rest: str
) -> str:
    started_at, ended_at = span
    began = _moment(started_at) if started_at else "never began"
    took = show_seconds((ended_at - started_at).total_seconds()) if started_at and ended_at else "-"
    return f"{number}  {outcome:<10}  {began}  {took:>8}  {rest}"


def _after(place: str, error: str | None) -> str:
    return f"{place}  {error}" if error else place


def _events(portrait: Portrait) -> list[str]:
    record = portrait.record
    rows = [f"{_moment(record.created_at)}  submitted"]
    for event in portrait.events:
        number = f" attempt {event.attempts[0]}" if event.attempts else ""
        reason = f"  {event.reason}" if event.reason else ""
        rows.append(f"{_moment(event.at) if event.at else 'unknown'}  {event.type}{number}{reason}")
    return rows


def _place(worker_id: WorkerId | None, portrait: Portrait) -> str:
    record = portrait.record
    if worker_id is None:
        return "no worker"
    if worker_id == record.worker_id and record.worker_host is not None:
        return f"{record.worker_host}, process {record.worker_pid}"
    worker = portrait.workers.get(worker_id)
    # Forgotten workers are told by their id: it says at least which attempts shared one.
    return f"{worker.host}, process {worker.pid}" if worker else f"unknown worker {worker_id}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def _ago(at: datetime, now: datetime) -> str:
    return f"{show_seconds(max(0.0, (now - at).total_seconds()))} ago"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
