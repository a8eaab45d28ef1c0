"""Why a task does not run: what it waits for, in words, and what to type if that is nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from hive.durations import show_seconds
from hive.tasks.reaching import View
from hive_contracts.states import TaskState
from hive_contracts.tasks import TaskRecord
from hive_store.fleet_store import SeenWorker
from hive_store.onlooker import MOST_AHEAD, Situation

__all__ = ["LIVING", "reason_to_wait", "why_it_waits"]

LIVING: Final = timedelta(seconds=30)
"""A worker that was not seen for longer is not counted upon."""


async def why_it_waits(view: View, record: TaskRecord) -> str | None:
    """Return what a task waits for; None if it runs, or has ended."""
    workers = await view.fleet.workers(seen_within=LIVING)
    return reason_to_wait(record, await view.onlooker.look(record.id), workers)


def reason_to_wait(
    record: TaskRecord, situation: Situation, workers: Sequence[SeenWorker]
) -> str | None:
    """Return what a task waits for; None if it runs, or has ended."""
    match record.state:
        case TaskState.SCHEDULED:
            return _until(record, situation.now)
        case TaskState.QUEUED:
            return _in_line(record.queue, situation, workers)
        case TaskState.DISPATCHED if record.worker_id is None:
            missing = _nobody(record.queue, _serving(record.queue, workers))
            return missing or "a queen has leased it; no worker has accepted the lease yet"
        case TaskState.DISPATCHED:
            return f"{_place(record)} has it; its start is not written"
        case _:
            return None


def _until(record: TaskRecord, now: datetime) -> str:
    left_seconds = (record.run_at - now).total_seconds()
    when = f"in {show_seconds(left_seconds)}" if left_seconds > 0 else "now"
    what = f"it is due again after {record.failures} failures" if record.failures else "it is due"
    return f"{what} {when}, at {record.run_at.astimezone():%Y-%m-%d %H:%M:%S}"


def _in_line(queue: str, situation: Situation, workers: Sequence[SeenWorker]) -> str:
    serving = _serving(queue, workers)
    if missing := _nobody(queue, serving):
        return missing
    slots, held = sum(w.slots for w in serving), sum(w.held for w in serving)
    if not situation.queens:
        return "no queen hands out work; start one with `hive queen`"
    ahead = situation.ahead or 0
    before = f"{ahead:,}{' or more' if ahead >= MOST_AHEAD else ''} tasks go before it"
    room = f"{len(serving)} workers with {slots} slots serve queue {queue!r} and hold {held} tasks"
    return f"{before if ahead else 'it is next in line'}; {room}"


def _serving(queue: str, workers: Sequence[SeenWorker]) -> list[SeenWorker]:
    return [w for w in workers if queue in w.queues and not w.is_draining]


def _nobody(queue: str, serving: Sequence[SeenWorker]) -> str | None:
    if serving:
        return None
    return f"no worker serves queue {queue!r}; start one with `hive worker {queue}`"


def _place(record: TaskRecord) -> str:
    return f"worker {record.worker_pid or 'unknown'} on {record.worker_host or 'unknown'}"
