"""Every worker and queen that was seen of late, as `hive workers` shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, assert_never
from uuid import UUID

from hive.durations import show_roughly
from hive.settings import Settings
from hive.tables import columns, cut, narrowed_lines
from hive.tasks.reaching import open_view
from hive_contracts.ids import WorkerId
from hive_store.fleet_store import Running, SeenQueen, SeenWorker

__all__ = ["Muster", "as_lines", "as_plain", "muster"]

SEEN_WITHIN: Final = timedelta(minutes=10)
MOST_TASKS: Final = 100
"""Of each worker, so many of the tasks that it runs are named."""

MOST_SHOWN: Final = 8
ID_CHARACTERS: Final = 8

WORKER_HEADS: Final = (
    "worker", "host", "pid", "state", "queues", "slots", "held", "runs", "version", "up",
)  # fmt: skip
QUEEN_HEADS: Final = ("queen", "host", "pid", "state", "handed out", "version", "up")
NUMBERS: Final = frozenset({"pid", "slots", "held", "runs", "handed out", "up"})
TEXTS: Final = frozenset({"host", "queues", "version"})
NOTHING: Final = Running(0, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Muster:
    """Who was found, at one moment."""

    now: datetime
    workers: Sequence[SeenWorker]
    running: Mapping[WorkerId, Running]
    queens: Sequence[SeenQueen]
    silence: timedelta
    """Who was not heard of for so long may be gone."""


async def muster(settings: Settings) -> Muster:
    """Look who is there."""
    async with open_view(settings) as view:
        return Muster(
            now=await view.onlooker.now(),
            workers=await view.fleet.workers(seen_within=SEEN_WITHIN),
            running=await view.fleet.running(most_tasks=MOST_TASKS),
            queens=await view.fleet.queens(seen_within=SEEN_WITHIN),
            silence=settings.silence,
        )


def as_plain(found: Muster) -> dict[str, Any]:
    """Return everything for programs."""
    workers: list[dict[str, Any]] = [
        asdict(worker)
        | {
            "state": _state(worker, found.silence),
            "running": found.running.get(worker.id, NOTHING).count,
            "running_ids": found.running.get(worker.id, NOTHING).task_ids,
        }
        for worker in found.workers
    ]
    queens: list[dict[str, Any]] = [
        asdict(queen)
        | {
            "state": _state(queen, found.silence),
        }
        for queen in found.queens
    ]
    return {"workers": workers, "queens": queens}


def as_lines(found: Muster) -> list[str]:
    """Return everything for people."""
    return [*_worker_lines(found), "", *_queen_lines(found)]


def _worker_lines(found: Muster) -> list[str]:
    if not found.workers:
        return ["no worker was seen in the last 10 minutes; start one with: hive worker"]
    rows = [
        [
            _short(worker.id),
            worker.host,
            str(worker.pid),
            _condition(worker, found.silence),
            ",".join(worker.queues),
            str(worker.slots),
            str(worker.held),
            str(found.running.get(worker.id, NOTHING).count),
            worker.version,
            _age(worker.started_at, found.now),
        ]
        for worker in found.workers
    ]
    table = narrowed_lines(WORKER_HEADS, rows, texts=TEXTS, numbers=NUMBERS)
    return [*table, *_label_lines(found), *_work_lines(found)]


def _label_lines(found: Muster) -> list[str]:
    """Return a line for each worker that has labels, after an empty one."""
    lines = [
        cut(f"{_short(worker.id)} has {', '.join(worker.labels)}", columns())
        for worker in found.workers
        if worker.labels
    ]
    return ["", *lines] if lines else []


def _work_lines(found: Muster) -> list[str]:
    """Return a line for each worker that runs something, after an empty one."""
    at_work = [worker.id for worker in found.workers if worker.id in found.running]
    lines = [
        cut(f"{_short(worker_id)} runs {_tasks(found.running[worker_id])}", columns())
        for worker_id in at_work
    ]
    return ["", *lines] if lines else []


def _tasks(running: Running) -> str:
    named = running.task_ids[:MOST_SHOWN]
    more = running.count - len(named)
    return f"{', '.join(map(str, named))}{f' and {more:,} more' if more else ''}"


def _queen_lines(found: Muster) -> list[str]:
    if not found.queens:
        return ["no queen was seen in the last 10 minutes; start one with: hive queen"]
    rows = [
        [
            _short(queen.id),
            queen.host,
            str(queen.pid),
            _condition(queen, found.silence),
            str(queen.handed_out),
            queen.version,
            _age(queen.started_at, found.now),
        ]
        for queen in found.queens
    ]
    return narrowed_lines(QUEEN_HEADS, rows, texts=TEXTS, numbers=NUMBERS)


def _state(one: SeenWorker | SeenQueen, silence: timedelta) -> str:
    if one.unseen_seconds > silence.total_seconds():
        return "silent"
    match one:
        case SeenWorker():
            return "draining" if one.is_draining else "at work"
        case SeenQueen():
            return "has the term" if one.has_term else "stands by"
        case _:
            assert_never(one)


def _condition(one: SeenWorker | SeenQueen, silence: timedelta) -> str:
    state = _state(one, silence)
    if state == "silent":
        return f"silent {show_roughly(one.unseen_seconds)}"
    if isinstance(one, SeenWorker) and one.stuck_seconds is not None:
        return f"{state}, {one.stuck} stuck {show_roughly(one.stuck_seconds)}"
    return state


def _short(id_: UUID) -> str:
    return str(id_)[:ID_CHARACTERS]


def _age(started_at: datetime, now: datetime) -> str:
    return show_roughly(max(0.0, (now - started_at).total_seconds()))
