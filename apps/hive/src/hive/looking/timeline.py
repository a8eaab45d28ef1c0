"""What happened to one task, in order: every claim, start and end, how long it took, and where."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from hive.durations import show_seconds
from hive_contracts.events import Event, EventType
from hive_contracts.ids import WorkerId
from hive_contracts.tasks import TaskRecord

__all__ = ["shortened", "timeline"]

MOST_LINES: Final = 30
FIRST_LINES: Final = 5

WORDS: Final[Mapping[EventType, str]] = {
    EventType.QUEUED: "submitted",
    EventType.DISPATCHED: "leased",
    EventType.STARTED: "{attempt}started",
    EventType.SUCCEEDED: "{attempt}succeeded{after}",
    EventType.FAILED: "{attempt}failed{after}",
    EventType.CANCELLED: "cancelled{after}",
    EventType.RETRIED: "{attempt}failed{after}, is retried",
    EventType.RELEASED: "{attempt}given back{after}",
    EventType.LOST: "{attempt}lost{after}",
    EventType.CANCEL_REQUESTED: "asked to stop",
    EventType.REVIVED: "queued once more, by hand",
    EventType.UNBLOCKED: "free to run",
    EventType.HELD_UP: "held up by a limit",
    EventType.PARKED: "{attempt}parked{after}",
    EventType.UNPARKED: "let go on, by hand",
    EventType.ASKED: "{attempt}asked{after}",
}
"""What each type of event means for one task."""

Place: TypeAlias = Callable[[WorkerId], str]


@dataclass(frozen=True, slots=True)
class _Try:
    """What is known of one claim of the task."""

    worker_id: WorkerId | None
    started_at: datetime | None


def timeline(
    record: TaskRecord, events: Sequence[Event], *, claims: int, place_of: Place
) -> list[str]:
    """Return a line for each event, oldest first.

    Args:
        record: the task.
        events: what the log says of it; its beginning may be missing.
        claims: how often it was leased in all.
        place_of: names the place of a worker.
    """
    tries = _tries(record, claims)
    claim = claims - sum(event.type is EventType.DISPATCHED for event in events)
    lines: list[str] = []
    before: datetime | None = None
    has_started = False
    for event in events:
        if event.type is EventType.DISPATCHED:
            claim, has_started = claim + 1, False
        attempt = tries.get(claim)
        what = " ".join(_words(event, attempt, place_of, has_started=has_started))
        lines.append(f"{_moment(event.at)}  {_since(before, event.at):>8}  {what}")
        has_started = has_started or event.type is EventType.STARTED
        before = event.at
    return lines


def shortened(lines: Sequence[str], more: str) -> list[str]:
    """Return `lines`, without those in the middle if they are many.

    Args:
        lines: of a timeline.
        more: what to type to see those that are left out.
    """
    if len(lines) <= MOST_LINES:
        return list(lines)
    last = MOST_LINES - FIRST_LINES - 1
    left_out = len(lines) - FIRST_LINES - last
    return [*lines[:FIRST_LINES], f"... {left_out:,} more: {more}", *lines[-last:]]


def _tries(record: TaskRecord, claims: int) -> Mapping[int, _Try]:
    tries = {past.claim: _Try(past.worker_id, past.started_at) for past in record.history}
    # What has ended and waits again is in the history, and its row speaks of the past.
    return {claims: _Try(record.worker_id, record.started_at)} | tries


def _words(
    event: Event, attempt: _Try | None, place_of: Place, *, has_started: bool
) -> Iterator[str]:
    is_end = bool(event.attempts) and event.type is not EventType.STARTED
    ran = has_started or event.type is not EventType.RELEASED
    yield WORDS[event.type].format(
        attempt=f"attempt {event.attempts[0]} " if event.attempts else "",
        after=_after(event, attempt) if is_end and ran else "",
    )
    names_place = event.type is EventType.STARTED or (is_end and not has_started)
    if names_place and attempt is not None and attempt.worker_id is not None:
        yield f"on {place_of(attempt.worker_id)}"
    if event.reason:
        yield f"({' '.join(event.reason.split())})"


def _after(event: Event, attempt: _Try | None) -> str:
    """Return how long the attempt had run, if its start is known."""
    if attempt is None or attempt.started_at is None or event.at is None:
        return ""
    return f" after {_seconds(attempt.started_at, event.at)}"


def _since(before: datetime | None, at: datetime | None) -> str:
    return f"+{_seconds(before, at)}" if before is not None and at is not None else ""


def _seconds(first: datetime, then: datetime) -> str:
    return show_seconds(max(timedelta(0), then - first).total_seconds())


def _moment(at: datetime | None) -> str:
    # The year is told where the task was submitted; here the reasons need the room.
    return f"{at.astimezone():%m-%d %H:%M:%S}" if at else "unknown       "
