"""Queues from the command line: how each does, and pausing them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from hive.acting_for import actor_of
from hive.pauses import paused_line
from hive.printing import say, show, show_json
from hive.settings import Settings
from hive.steering.limiting import plain_limit, show_limits
from hive.tables import table_lines
from hive.tasks.reaching import open_view
from hive_contracts.errors import UsageError
from hive_contracts.limits import LimitScope, PausedQueue
from hive_contracts.states import TERMINAL_STATES, TaskState

__all__ = ["OPEN_STATES", "QueueView", "pause", "resume", "show_queues"]

OPEN_STATES: Final = tuple(state for state in TaskState if state not in TERMINAL_STATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """One queue, at one moment."""

    name: str
    counts: Mapping[TaskState, int]
    workers: int
    """How many workers serve it."""

    paused: PausedQueue | None


async def pause(settings: Settings, queue: str, *, reason: str | None) -> None:
    """Pause a queue."""
    async with open_view(settings) as view:
        controls = view.controls_of(actor_of(settings))
        is_new = await controls.pause(queue, reason=reason)
        left = await controls.count_leased(queue)
    what = "is paused" if is_new else "was paused already"
    verb = "is" if left == 1 else "are"
    say(f"hive: queue {queue} {what}; {left:,} of its tasks {verb} still with workers")


async def resume(settings: Settings, queue: str) -> None:
    """Resume a queue.

    Raises:
        UsageError: it is not paused.
    """
    async with open_view(settings) as view:
        if not await view.controls_of(actor_of(settings)).resume(queue):
            raise UsageError(f"queue {queue} is not paused; `hive queue list` shows which are")
    say(f"hive: queue {queue} is resumed")


async def show_queues(settings: Settings, *, only: str | None, as_json: bool) -> None:
    """Print every queue that has open tasks, workers or a pause; or one queue, whatever it has."""
    queues = await _look(settings)
    if only is not None:
        await _show_one(settings, queues, only, as_json=as_json)
    elif as_json:
        show_json([_plain(queue) for queue in queues])
    elif queues:
        _show(queues)
    else:
        say("hive: no queue has tasks or workers; try: hive run -- uname -a")


async def _show_one(
    settings: Settings, queues: Sequence[QueueView], name: str, *, as_json: bool
) -> None:
    """Print one queue, with its own limits, and those that hold in all queues."""
    nothing = QueueView(name=name, counts={}, workers=0, paused=None)
    queue = next((queue for queue in queues if queue.name == name), nothing)
    async with open_view(settings) as view:
        limits = [
            used
            for used in await view.controls_of(actor_of(settings)).limits()
            if used.limit.scope is not LimitScope.QUEUE or used.limit.target == name
        ]
    if as_json:
        show_json(_plain(queue) | {"limits": [plain_limit(used) for used in limits]})
        return
    _show([queue])
    if limits:
        show("")
        show_limits(limits)


async def _look(settings: Settings) -> list[QueueView]:
    async with open_view(settings) as view:
        controls = view.controls_of(actor_of(settings))
        counts = await controls.count_open()
        paused = {queue.name: queue for queue in await controls.paused()}
        workers = await view.fleet.workers(seen_within=settings.silence)
    served = {queue for worker in workers for queue in worker.queues}
    return [
        QueueView(
            name=name,
            counts=counts.get(name, {}),
            workers=sum(name in worker.queues for worker in workers),
            paused=paused.get(name),
        )
        for name in sorted(counts.keys() | paused.keys() | served)
    ]


def _plain(queue: QueueView) -> dict[str, Any]:
    return {
        "name": queue.name,
        **{state: queue.counts.get(state, 0) for state in OPEN_STATES},
        "workers": queue.workers,
        "paused": None if queue.paused is None else asdict(queue.paused),
    }


def _show(queues: Sequence[QueueView]) -> None:
    rows = [
        [
            queue.name,
            "paused" if queue.paused else "open",
            *(str(queue.counts.get(state, 0)) for state in OPEN_STATES),
            str(queue.workers),
        ]
        for queue in queues
    ]
    for line in table_lines(["queue", "is", *OPEN_STATES, "workers"], rows, texts=2, gap=1):
        show(line)
    for queue in queues:
        if queue.paused:
            show(paused_line(queue.paused))
