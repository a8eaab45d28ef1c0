"""One task with all that is known of it, as `hive show` prints it."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from hive.durations import show_seconds
from hive.looking.hiding import without_secrets
from hive.looking.limits import limit_that_struck, limits_in_words
from hive.looking.questions import questions_in_words
from hive.looking.sealed import sealed_or_plain
from hive.looking.timeline import shortened, timeline
from hive.looking.usage import used
from hive.moments import show_moment
from hive.money import show_spent
from hive.settings import Settings
from hive.tables import columns, cut, fit
from hive.tasks.reaching import open_view
from hive.tasks.speech import has_terminal
from hive.tasks.waiting import reason_to_wait
from hive.words import counted
from hive_contracts.events import Event, EventType
from hive_contracts.ids import TaskId, WorkerId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.schedules import ScheduleTick
from hive_contracts.spending import Spent
from hive_contracts.states import TERMINAL_STATES, WAITING_STATES, TaskState
from hive_contracts.tasks import EndedAttempt, TaskRecord
from hive_process.screen_text import printable
from hive_store.fleet_store import WorkerPlace
from hive_store.onlooker import Situation

__all__ = ["Portrait", "as_lines", "as_plain", "next_steps", "portray"]

LABEL_COLUMNS: Final = 10
WORTH_TELLING: Final = timedelta(milliseconds=500)
"""A wait that is shorter is none."""

FOLDED: Final = frozenset({"state", "waits", "asks", "asked", "limits", "used"})
"""What goes on below if it is long; of all else the beginning is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """A task, and what is around it."""

    record: TaskRecord
    situation: Situation
    outcome: OutcomeName | None
    """How it ended; None if it has not."""

    waits_for: str | None
    tick: ScheduleTick | None
    """The tick of a schedule that it is of; None if it is of none, or of one long ago."""

    events: Sequence[Event]
    spent: Spent | None
    """What its attempts have spent; None if none has told of anything."""

    places: Mapping[WorkerId, WorkerPlace]
    """Where its attempts ran; without the workers that are forgotten."""

    silence: timedelta
    """A worker that was not heard of for so long may be gone."""


async def portray(settings: Settings, number: int) -> Portrait:
    """Look at a task from every side.

    Raises:
        UnknownTaskError: there is no such task.
    """
    task_id = TaskId(number)
    async with open_view(settings) as view:
        record = await view.tasks.read(task_id)
        situation = await view.onlooker.look(task_id)
        living = await view.fleet.workers(seen_within=settings.silence)
        worker_ids = {record.worker_id, *(past.worker_id for past in record.history)} - {None}
        ended = await view.tasks.read_ended([task_id])
        payload = without_secrets(record.payload, settings.command.secret_names)
        return Portrait(
            record=replace(record, payload=payload),
            situation=situation,
            outcome=ended[0].outcome if ended else None,
            waits_for=reason_to_wait(record, situation, living),
            tick=await view.schedules.tick_of(task_id),
            events=await view.events.of_task(task_id),
            spent=await view.tasks.spent_by(task_id),
            places=await view.fleet.places(id_ for id_ in worker_ids if id_ is not None),
            silence=settings.silence,
        )


def as_plain(portrait: Portrait) -> dict[str, Any]:
    """Return everything for programs, durations in seconds."""
    fields = asdict(portrait.record)
    timeout, tick = portrait.record.timeout, portrait.tick
    silence = portrait.record.silence_timeout
    fields["timeout_seconds"] = timeout.total_seconds() if timeout else None
    fields["silence_timeout_seconds"] = silence.total_seconds() if silence else None
    del fields["timeout"], fields["silence_timeout"]
    return fields | {
        "outcome": portrait.outcome,
        "waits_for": portrait.waits_for,
        "schedule": None if tick is None else {"name": tick.schedule, "tick": tick.said},
        "ahead": portrait.situation.ahead,
        "waits_for_tasks": portrait.situation.parents,
        "tasks_waiting": portrait.situation.children,
        "last_output_seconds_ago": portrait.situation.unheard_seconds,
        "spent": None if portrait.spent is None else asdict(portrait.spent),
        "events": [_plain_event(event) for event in _told(portrait)],
    }


def _told(portrait: Portrait) -> list[Event]:
    """Return what the log tells; its beginning, once that is dropped, from the task's own row."""
    if any(event.type is EventType.QUEUED for event in portrait.events):
        return list(portrait.events)
    record = portrait.record
    queued = Event(type=EventType.QUEUED, task_ids=(record.id,), at=record.created_at)
    return [queued, *portrait.events]


def _plain_event(event: Event) -> dict[str, Any]:
    return {"at": event.at, "type": event.type, "attempts": event.attempts, "reason": event.reason}


def as_lines(portrait: Portrait, *, is_full: bool) -> list[str]:
    """Return everything for people; what is long is cut unless `is_full`."""
    parts: list[str] = []
    for label, text in _facts(portrait):
        lines = text.splitlines() if is_full else _bounded(label, text)
        parts += [f"{label:<{LABEL_COLUMNS}}{line}" for label, line in _labelled(label, lines)]
    for head, rows in (("attempts", _attempts(portrait)), ("timeline", _timeline(portrait))):
        if rows:
            shown = map(_whole, rows) if is_full else map(_row, shortened(rows, _more(portrait)))
            parts += ["", head, *(f"  {row}" for row in shown)]
    record = portrait.record
    steps = next_steps(
        record.id,
        record.state,
        is_parked=record.parked_at is not None,
        is_asking=record.asked_at is not None,
        has_terminal=has_terminal(record) is True,
    )
    return [*parts, "", f"next: {steps}"]


def next_steps(
    task_id: TaskId,
    state: TaskState,
    *,
    is_parked: bool = False,
    is_asking: bool = False,
    has_terminal: bool = False,
) -> str:
    """Return the commands that suit the state, the likeliest first."""
    match state:
        case TaskState.BLOCKED if is_asking:
            verbs = ["answer", "cancel"]
        case TaskState.SCHEDULED if is_parked and is_asking:
            verbs = ["answer", "unpark", "cancel"]
        case TaskState.SCHEDULED if is_parked:
            verbs = ["unpark", "cancel"]
        case TaskState.BLOCKED | TaskState.SCHEDULED | TaskState.QUEUED:
            verbs = ["cancel"]
        case TaskState.DISPATCHED | TaskState.RUNNING if has_terminal:
            verbs = ["attach", "logs -f", "cancel"]
        case TaskState.DISPATCHED | TaskState.RUNNING:
            verbs = ["logs -f", "cancel"]
        case TaskState.SUCCEEDED:
            verbs = ["logs"]
        case TaskState.FAILED | TaskState.CANCELLED:
            verbs = ["logs", "retry"]
    return " | ".join(f"hive {verb} {task_id}" for verb in verbs)


def _bounded(label: str, text: str) -> list[str]:
    width = columns() - LABEL_COLUMNS
    return textwrap.wrap(text, width) if label in FOLDED else [fit(text, width)]


def _row(text: str) -> str:
    return cut(printable(text), columns() - 2)


def _whole(text: str) -> str:
    return "\n".join(map(printable, text.splitlines()))


def _labelled(label: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield label, lines[0] if lines else ""
    yield from (("", line) for line in lines[1:])


def _facts(portrait: Portrait) -> Iterator[tuple[str, str]]:
    record, now = portrait.record, portrait.situation.now
    yield "task", f"{record.id}"
    yield "kind", record.kind
    yield "queue", f"{record.queue}, priority {_priority(record)}"
    yield from _belongings(record)
    if portrait.tick is not None:
        extra = ", asked for" if portrait.tick.is_extra else ""
        yield "schedule", f"{portrait.tick.schedule}, tick {portrait.tick.said}{extra}"
    yield "state", _state(portrait)
    yield from questions_in_words(record)
    if portrait.waits_for:
        yield "waits", portrait.waits_for
    if portrait.situation.child_id is not None:
        yield "before", _before(portrait.situation)
    if record.cancel_requested_at and record.state not in TERMINAL_STATES:
        yield "cancel", f"asked for {_ago(record.cancel_requested_at, now)}; it is being stopped"
    yield "payload", sealed_or_plain(record.payload)
    yield "submitted", f"{show_moment(record.created_at)} ({_ago(record.created_at, now)})"
    yield "limits", limits_in_words(record)
    if portrait.spent is not None:
        yield "spent", show_spent(portrait.spent)
    yield from _what_came(record)


def _what_came(record: TaskRecord) -> Iterator[tuple[str, str]]:
    if (usage := used(record.result)) is not None:
        yield "used", usage
    if record.result is not None:
        yield "result", sealed_or_plain(record.result)
    if record.error is not None and record.asked_at is None:
        yield "error", record.error


def _priority(record: TaskRecord) -> str:
    if record.submitted_priority is None:
        return str(record.priority)
    return f"{record.priority} (at first {record.submitted_priority}; raised by waiting)"


def _belongings(record: TaskRecord) -> Iterator[tuple[str, str]]:
    if record.needs:
        yield "needs", ", ".join(record.needs)
    if record.breaker is not None:
        yield "breaker", record.breaker
    if record.slots > 1:
        yield "slots", str(record.slots)
    if record.group is not None:
        yield "group", record.group
    if record.key is not None:
        yield "key", f"{record.key}, of which it has the turn" if record.has_turn else record.key


def _state(portrait: Portrait) -> str:
    record, now = portrait.record, portrait.situation.now
    if record.state is TaskState.RUNNING:
        since = show_seconds((now - record.started_at).total_seconds() if record.started_at else 0)
        unheard = portrait.situation.unheard_seconds
        heard = "no output yet" if unheard is None else f"last output {show_seconds(unheard)} ago"
        place = f"{_place(record.worker_id, portrait)}{_silent(portrait)}"
        return f"running for {since} on {place}; {heard}"
    if record.state not in TERMINAL_STATES or record.finished_at is None:
        return str(record.state)
    word = limit_that_struck(portrait.outcome, record.error)
    how = f"{record.state} ({word})" if word else str(record.state)
    return f"{how} {_ago(record.finished_at, now)}{_took(record)}"


def _before(situation: Situation) -> str:
    others = situation.children - 1
    more = f" and {counted(others, 'other')}" if others else ""
    return f"task {situation.child_id}{more}, waiting for it"


def _silent(portrait: Portrait) -> str:
    """Say for how long the worker has been silent, if that is longer than it should be."""
    place = portrait.places.get(portrait.record.worker_id) if portrait.record.worker_id else None
    if place is None:
        return ""
    if place.unseen_seconds <= portrait.silence.total_seconds():
        return _stuck(place)
    return f", which has been silent for {show_seconds(place.unseen_seconds)}"


def _stuck(place: WorkerPlace) -> str:
    """Say for how long something on the worker does not stop, which may be this task."""
    if place.stuck_seconds is None:
        return ""
    return f", with {place.stuck} stuck for {show_seconds(place.stuck_seconds)}"


def _took(record: TaskRecord) -> str:
    if record.started_at is None or record.finished_at is None:
        return ""
    return f", after {show_seconds((record.finished_at - record.started_at).total_seconds())}"


def _attempts(portrait: Portrait) -> list[str]:
    record = portrait.record
    rows = [
        _attempt(
            past.attempt,
            past.outcome,
            (past.started_at, past.ended_at),
            _after(_place(past.worker_id, portrait), _error(past)),
        )
        for past in record.history
    ]
    if record.attempt and record.state not in WAITING_STATES:
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
    began = show_moment(started_at) if started_at else "never began"
    took = show_seconds((ended_at - started_at).total_seconds()) if started_at and ended_at else "-"
    return f"{number}  {outcome:<10}  {began}  {took:>8}  {rest}"


def _error(past: EndedAttempt) -> str | None:
    """Return what went wrong, and how long the task waited for its next attempt."""
    waits = None if past.again_at is None else past.again_at - past.ended_at
    if waits is None or waits < WORTH_TELLING:
        return past.error
    return f"{past.error} (again after {show_seconds(waits.total_seconds())})"


def _after(place: str, error: str | None) -> str:
    return f"{place}  {error}" if error else place


def _timeline(portrait: Portrait) -> list[str]:
    return timeline(
        portrait.record,
        _told(portrait),
        claims=portrait.situation.claim,
        place_of=lambda worker_id: _place(worker_id, portrait),
    )


def _more(portrait: Portrait) -> str:
    return f"hive show {portrait.record.id} --full"


def _place(worker_id: WorkerId | None, portrait: Portrait) -> str:
    record = portrait.record
    if worker_id is None:
        return "no worker"
    if worker_id == record.worker_id and record.worker_host is not None:
        return f"{record.worker_host}, process {record.worker_pid}"
    place = portrait.places.get(worker_id)
    # Forgotten workers are told by their id: it says at least which attempts shared one.
    return f"{place.host}, process {place.pid}" if place else f"forgotten worker {worker_id}"


def _ago(at: datetime, now: datetime) -> str:
    return f"{show_seconds(max(0.0, (now - at).total_seconds()))} ago"
