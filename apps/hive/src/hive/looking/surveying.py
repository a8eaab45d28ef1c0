"""The whole Hive at a glance, as `hive status` shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hive.acting_for import actor_of
from hive.breakers import breaker_line
from hive.durations import show_seconds
from hive.keeping import keep_in_words
from hive.pauses import paused_line
from hive.settings import Settings
from hive.steering.budgeting import budget_line, plain_budget
from hive.tables import fit, table_lines
from hive.tasks.reaching import View, open_view
from hive.tasks.waiting import nobody_can_run
from hive.words import counted
from hive_contracts.limits import Breaker, PausedQueue
from hive_contracts.retaining import Retention
from hive_contracts.spending import UsedBudget
from hive_contracts.states import TaskState
from hive_store.fleet_store import SeenWorker
from hive_store.onlooker import UnmetNeeds

if TYPE_CHECKING:
    from hive_store.schedule_store import ScheduleCounts

__all__ = ["Survey", "as_lines", "as_plain", "survey", "survey_once"]

SEEN_WITHIN: Final = timedelta(minutes=1)
ENDS_SECONDS: Final = 60

LEFT_OUT: Final = frozenset({TaskState.SCHEDULED, TaskState.DISPATCHED, TaskState.CANCELLED})
"""What has no column where something is blocked, if there is none of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found, at one moment."""

    counts: Mapping[str, Mapping[TaskState, int]]
    longest_waits: Mapping[str, float]
    """By queue: for how many seconds the task that has waited longest has been due."""

    recent_ends: Mapping[TaskState, int]
    """How many tasks ended within the last minute."""

    oldest_finished_seconds: float | None
    """How long ago the first finished task that is kept ended; None if there is none."""

    retention: Retention
    """How long finished tasks are kept, as the settings of this machine say."""

    workers: Sequence[SeenWorker]
    paused: Sequence[PausedQueue]
    budgets: Sequence[UsedBudget]
    asking: int
    """How many tasks wait for an answer."""

    breakers: Sequence[Breaker]
    """Those that are open or half-open."""

    schedules: "ScheduleCounts"
    unmet: Sequence[UnmetNeeds]
    """What queued tasks need, and no living worker of their queue has."""

    silence: timedelta
    """A worker that was not heard of for so long may be gone."""


async def survey(view: View, settings: Settings) -> Survey:
    """Look at everything once."""
    return Survey(
        counts=await view.tasks.count(),
        longest_waits=await view.onlooker.longest_waits(),
        recent_ends=await view.tasks.count_recent_ends(seconds=ENDS_SECONDS),
        oldest_finished_seconds=await view.pruner.oldest_finished_age(),
        retention=settings.retention.retention,
        workers=await view.fleet.workers(seen_within=SEEN_WITHIN),
        paused=await view.onlooker.paused_queues(),
        budgets=await view.budgets_of(actor_of(settings)).all(),
        asking=await view.selector.count_asking(),
        breakers=await view.controls_of(actor_of(settings)).breakers(),
        schedules=await view.schedules.counts(),
        unmet=await view.onlooker.unmet_needs(living=settings.silence),
        silence=settings.silence,
    )


async def survey_once(settings: Settings) -> Survey:
    """Look at everything once, at the Hive that the settings name."""
    async with open_view(settings) as view:
        return await survey(view, settings)


def as_lines(found: Survey) -> list[str]:
    """Return the survey for people."""
    queues = _queue_lines(found) if found.counts else ["no tasks yet; try: hive run -- uname -a"]
    workers = _worker_lines(found.workers, found.silence)
    queues += [f"needs you ({found.asking:,}): hive list --needs-you"] * bool(found.asking)
    queues += [paused_line(queue) for queue in found.paused]
    queues += [budget_line(used) for used in found.budgets]
    queues += [breaker_line(breaker) for breaker in found.breakers]
    ends = [_ends_line(found.recent_ends), _kept_line(found), *_schedule_lines(found.schedules)]
    ends += [_unmet_line(unmet) for unmet in found.unmet]
    return [*queues, "", *ends, "", *workers]


def as_plain(found: Survey) -> dict[str, Any]:
    """Return the survey for programs."""
    return {
        "queues": {
            queue: {
                **{state: by_state.get(state, 0) for state in TaskState},
                "longest_wait_seconds": found.longest_waits.get(queue),
            }
            for queue, by_state in found.counts.items()
        },
        "ended_in_the_last_minute": {
            state: found.recent_ends.get(state, 0)
            for state in (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
        },
        "budgets": [plain_budget(used) for used in found.budgets],
        "needs_answer": found.asking,
        "paused": [asdict(queue) for queue in found.paused],
        "breakers": [asdict(breaker) for breaker in found.breakers],
        "schedules": asdict(found.schedules),
        "unmet_needs": [asdict(unmet) for unmet in found.unmet],
        "kept": {
            "terms": keep_in_words(found.retention),
            "oldest_finished_seconds": found.oldest_finished_seconds,
        },
        "workers": [asdict(worker) for worker in found.workers],
    }


def _queue_lines(found: Survey) -> list[str]:
    # Eight states do not fit into 80 columns beside the names of queues, and most Hives have
    # nothing that is blocked.
    taken = {state for counts in found.counts.values() for state, count in counts.items() if count}
    is_any_blocked = TaskState.BLOCKED in taken
    left_out = (LEFT_OUT if is_any_blocked else {TaskState.BLOCKED}) - taken
    shown = [state for state in TaskState if state not in left_out]
    short = {TaskState.DISPATCHED: "leased"} if is_any_blocked else {}
    rows = [
        [
            queue,
            *(str(by_state.get(state, 0)) for state in shown),
            show_seconds(found.longest_waits[queue]) if queue in found.longest_waits else "-",
        ]
        for queue, by_state in found.counts.items()
    ]
    return table_lines(
        ["queue", *(short.get(state, state) for state in shown), "oldest"], rows, gap=1
    )


def _ends_line(ends: Mapping[TaskState, int]) -> str:
    total = sum(ends.values())
    if not total:
        return "no task has ended in the last minute"
    parts = ", ".join(f"{count:,} {state}" for state, count in sorted(ends.items()))
    return f"ended in the last minute: {parts} ({total / ENDS_SECONDS:.2g} a second)"


def _schedule_lines(counts: "ScheduleCounts") -> list[str]:
    if not counts.count:
        return []
    parts = [counted(counts.count, "schedule")]
    parts += [f"{counts.paused:,} paused"] * bool(counts.paused)
    parts += [f"{counts.faulty:,} with a fault, see `hive doctor`"] * bool(counts.faulty)
    if counts.next_seconds is not None:
        parts.append(f"next tick in {show_seconds(max(0.0, counts.next_seconds))}")
    return [", ".join(parts)]


def _unmet_line(unmet: UnmetNeeds) -> str:
    """Say which tasks wait for a worker that is not there."""
    tasks = counted(unmet.count, "task")
    return f"{tasks} of queue {unmet.queue!r}: {nobody_can_run(unmet)}"


def _kept_line(found: Survey) -> str:
    age = found.oldest_finished_seconds
    oldest = "" if age is None else f"; the oldest ended {show_seconds(age)} ago"
    return f"finished tasks are kept {keep_in_words(found.retention)}{oldest}"


def _worker_lines(workers: Sequence[SeenWorker], silence: timedelta) -> list[str]:
    if not workers:
        return ["no worker was seen in the last minute; start one with: hive worker"]
    rows = [
        [
            fit(worker.host, 20),
            _condition(worker, silence),
            fit(",".join(worker.queues), 20),
            str(worker.pid),
            str(worker.slots),
            str(worker.held),
            show_seconds(worker.unseen_seconds),
        ]
        for worker in workers
    ]
    return table_lines(["host", "worker", "queues", "pid", "slots", "held", "seen"], rows, texts=3)


def _condition(worker: SeenWorker, silence: timedelta) -> str:
    if worker.unseen_seconds > silence.total_seconds():
        return f"silent {show_seconds(worker.unseen_seconds)}"
    state = "draining" if worker.is_draining else "at work"
    if worker.stuck_seconds is None:
        return state
    return f"{state}, {worker.stuck} stuck {show_seconds(worker.stuck_seconds)}"
