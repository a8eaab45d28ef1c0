"""Why a task does not run: what it waits for, in words, and what to type if that is nothing."""

import re
import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from hive.durations import show_seconds
from hive.moments import is_endless, parked_in_words, show_moment
from hive.pauses import since
from hive.rates import show_rate
from hive.tasks.reaching import View
from hive.words import counted
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import TaskId
from hive_contracts.limits import Breaker, Limit
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.tasks import TaskRecord
from hive_store.fleet_store import SeenWorker
from hive_store.onlooker import MOST_AHEAD, Situation, UnmetNeeds
from hive_store.submitting import HELD_UNTIL

__all__ = ["PATIENCE_SECONDS", "command_for", "nobody_can_run", "reason_to_wait", "why_it_waits"]

PATIENCE_SECONDS: Final = 2.0
"""How long nothing may happen before a person is told why: silence would look like a fault."""


SPENT_BUDGET: Final = re.compile(r"budget (\S+) is used up: ")
"""As `hive.budget_use` says it."""


async def why_it_waits(view: View, task_id: TaskId, *, silence: timedelta) -> str | None:
    """Return in a sentence what a task waits for; None if it does not, or Postgres is away.

    Args:
        view: of its Hive.
        task_id: the task.
        silence: workers that were not heard of for so long do not count.
    """
    try:
        record = await view.tasks.read(task_id)
        if record.state is TaskState.RUNNING or record.state in TERMINAL_STATES:
            return None
        workers = await view.fleet.workers(seen_within=silence)
        reason = reason_to_wait(record, await view.onlooker.look(task_id), workers)
    except StoreUnavailableError:
        return None
    return None if reason is None else f"task {task_id} waits: {reason}"


def reason_to_wait(
    record: TaskRecord, situation: Situation, workers: Sequence[SeenWorker]
) -> str | None:
    """Return what a task waits for; None if it runs, or has ended."""
    match record.state:
        case TaskState.BLOCKED:
            return _for_others(record, situation)
        case TaskState.SCHEDULED:
            also = f"; and for {_parents(situation)}" if record.is_gated else ""
            return f"{_until(record, situation.now)}{also}"
        case TaskState.QUEUED:
            return _after_pause(situation, _in_line(record, situation, workers))
        case TaskState.DISPATCHED if record.worker_id is None:
            missing = _nobody(record, workers)
            return missing or "a queen has leased it; no worker has accepted the lease yet"
        case TaskState.DISPATCHED:
            return f"{_place(record)} has it; {_start(record)}"
        case _:
            return None


def _until(record: TaskRecord, now: datetime) -> str:
    if record.run_at == HELD_UNTIL:
        return f"it is held back until `hive map --reattach {record.group} --jobs N` lets it go"
    if record.parked_reason is not None:
        return _parked(record, record.parked_reason)
    left_seconds = (record.run_at - now).total_seconds()
    when = f"in {show_seconds(left_seconds)}" if left_seconds > 0 else "now"
    if record.history and record.history[-1].outcome == OutcomeName.RELEASED:
        return f"{record.error}; it is due again {when}"
    failures = counted(record.failures, "failure")
    what = f"it is due again after {failures}" if record.failures else "it is due"
    return f"{what} {when}, at {show_moment(record.run_at)}"


def _for_an_answer(record: TaskRecord, asked_at: datetime, now: datetime) -> str:
    options = record.questions[-1].options if record.questions else ()
    first, *others = map(_typed, options) if options else ("TEXT",)
    choice = f"{first}`" + (f" (or {', '.join(others)})" if others else "")
    since = show_seconds(max(0.0, (now - asked_at).total_seconds()))
    return f"an answer, for {since}: `hive answer {record.id} {choice}"


def _typed(option: str) -> str:
    """Return an option as it is typed: what a task offers is words, and no shell's or option's."""
    return f"{'-- ' if option.startswith('-') else ''}{shlex.quote(option)}"


def _parked(record: TaskRecord, reason: str) -> str:
    words = parked_in_words(reason, record.run_at)
    if (budget := SPENT_BUDGET.match(reason)) is not None:
        which = _flags_of(budget[1])
        return (
            f"{words}; `hive budget set {which} AMOUNT` with more, or `hive budget remove {which}`,"
            " lets it go on"
        )
    free = f"`hive unpark {record.id}` lets it go on"
    return f"{words}; {free}{'' if is_endless(record.run_at) else ' at once'}"


def _flags_of(budget: str) -> str:
    """Return how a budget is named on the command line."""
    scope, _, target = budget.removesuffix("/day").partition(":")
    words = [f"--{scope}", *([shlex.quote(target)] if target else [])]
    return " ".join([*words, "--daily"] if budget.endswith("/day") else words)


def _for_others(record: TaskRecord, situation: Situation) -> str:
    if record.asked_at is not None:
        return _for_an_answer(record, record.asked_at, situation.now)
    if situation.is_held_up:
        return _after_pause(situation, _for_its_limit(situation))
    return _parents(situation) if record.is_gated else _for_its_key(record.key, situation)


def _parents(situation: Situation) -> str:
    if not situation.queens:
        return "no queen lets go on what waits for other tasks; start one with `hive queen`"
    if situation.parent_id is None:
        return "what it comes after has ended, and it is about to go on"
    others = situation.parents - 1
    more = f" and {counted(others, 'other')}" if others else ""
    return f"task {situation.parent_id} ({situation.parent_state}){more}, which it comes after"


def _for_its_key(key: str | None, situation: Situation) -> str:
    if not situation.queens:
        return "no queen gives out the turns of keys; start one with `hive queen`"
    if situation.turn_of is None:
        return f"the turn of its key {key!r} is free, and is about to be given"
    line = _before(situation.ahead_of_key or 0)
    return f"task {situation.turn_of} has the turn of its key {key!r}; {line}"


def _in_line(record: TaskRecord, situation: Situation, workers: Sequence[SeenWorker]) -> str:
    if missing := _nobody(record, workers):
        return missing
    if not situation.queens:
        return "no queen hands out work; start one with `hive queen`"
    line = f"{_before(situation.ahead or 0)}; {_room(record, _serving(record, workers))}"
    return line if situation.limit is None else f"{line}; {_allowed(situation.limit)}"


def _after_pause(situation: Situation, reason: str) -> str:
    paused = situation.paused
    if paused is None:
        return reason
    return f"its queue {since(paused)}; {reason}"


def _for_its_limit(situation: Situation) -> str:
    if situation.breaker is not None:
        return _for_its_breaker(situation.breaker)
    limit = situation.limit
    if limit is None:
        return "the limit that it waited for is lifted; it is about to be queued"
    return f"no room is left for it: {_allowed(limit)}"


def _for_its_breaker(breaker: Breaker) -> str:
    why = f" ({breaker.reason})" if breaker.reason else ""
    if breaker.is_open:
        close = f"`hive breaker close {breaker.name}`"
        if breaker.open_until is None:
            return f"breaker {breaker.name} is open until {close}{why}"
        until = show_moment(breaker.open_until)
        return f"breaker {breaker.name} is open until {until}{why}; {close} lets it go on at once"
    tries = "a task" if breaker.probe_id is None else f"task {breaker.probe_id}"
    return f"breaker {breaker.name} was open{why}; {tries} tries it, and then the others go"


def _allowed(limit: Limit) -> str:
    allowed = [] if limit.max_running is None else [f"{limit.max_running:,} at once"]
    if limit.rate is not None:
        allowed.append(f"a start rate of {show_rate(limit.rate)}")
    return f"limit {limit.name} allows {' and '.join(allowed)}"


def _before(ahead: int) -> str:
    if ahead >= MOST_AHEAD:
        return f"{ahead:,} or more tasks go before it"
    if ahead:
        return f"{counted(ahead, 'task')} {'goes' if ahead == 1 else 'go'} before it"
    return "it is next in line"


def _room(record: TaskRecord, serving: Sequence[SeenWorker]) -> str:
    verb = "has" if len(serving) == 1 else "have"
    labels = f" and {verb} {', '.join(record.needs)}" if record.needs else ""
    what = f"queue {record.queue!r}{labels}"
    slots = counted(sum(w.slots for w in serving), "slot")
    held = counted(sum(w.held for w in serving), "task")
    workers = counted(len(serving), "worker")
    if len(serving) == 1:
        return f"{workers} with {slots} serves {what} and holds {held}"
    return f"{workers} with {slots} serve {what} and hold {held}"


def _serving(record: TaskRecord, workers: Sequence[SeenWorker]) -> list[SeenWorker]:
    return [w for w in _labelled(record, workers) if w.slots >= record.slots]


def _labelled(record: TaskRecord, workers: Sequence[SeenWorker]) -> list[SeenWorker]:
    return [w for w in _of_queue(record.queue, workers) if set(record.needs) <= set(w.labels)]


def _of_queue(queue: str, workers: Sequence[SeenWorker]) -> list[SeenWorker]:
    return [w for w in workers if queue in w.queues and not w.is_draining]


def _nobody(record: TaskRecord, workers: Sequence[SeenWorker]) -> str | None:
    if _serving(record, workers):
        return None
    largest = max((worker.slots for worker in _labelled(record, workers)), default=None)
    return nobody_can_run(
        UnmetNeeds(
            queue=record.queue, needs=record.needs, slots=record.slots, largest=largest, count=1
        )
    )


def nobody_can_run(unmet: UnmetNeeds) -> str:
    """Say what no worker of a queue has that a task needs, and what to type to start one."""
    queue, start = unmet.queue, f"start one with `{command_for(unmet)}`"
    if unmet.largest is not None:
        labels = f" and has {', '.join(unmet.needs)}" if unmet.needs else ""
        return (
            f"needs {counted(unmet.slots, 'slot')}; the largest worker that serves queue"
            f" {queue!r}{labels} has {unmet.largest}; {start}"
        )
    if not unmet.needs:
        return f"no worker serves queue {queue!r}; {start}"
    has = "has it" if len(unmet.needs) == 1 else "has all of it"
    needs = ", ".join(unmet.needs)
    return f"needs {needs}; no living worker that serves queue {queue!r} {has}; {start}"


def command_for(unmet: UnmetNeeds) -> str:
    """Return what to type to start a worker that has what a task needs."""
    labels = "".join(f" --label {label}" for label in unmet.needs)
    slots = f" --slots {unmet.slots}" if unmet.slots > 1 else ""
    return f"hive worker {unmet.queue}{labels}{slots}"


def _start(record: TaskRecord) -> str:
    if record.slots > 1:
        return f"it starts once {record.slots} slots are free there"
    return "its start is not written"


def _place(record: TaskRecord) -> str:
    return f"worker {record.worker_pid or 'unknown'} on {record.worker_host or 'unknown'}"
