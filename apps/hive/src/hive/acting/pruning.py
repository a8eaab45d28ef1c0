"""Delete finished tasks by hand: count them first, ask, then go in the same batches as the queen.

The moment that counts is the same for the count and the deed: what finishes between is not meant.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from hive.acting_for import actor_of
from hive.confirming import confirm
from hive.durations import read_duration
from hive.keeping import keep_in_words
from hive.panel import Panel
from hive.printing import say, show, show_json, show_table
from hive.settings import Settings
from hive.tasks.choosing import read_states
from hive.tasks.reaching import View, open_view
from hive.words import counted
from hive_contracts.errors import ConfigurationError, StoreUnavailableError
from hive_contracts.ids import TaskId
from hive_contracts.retaining import KeepRule, Retention
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_store.deeds import Deed

__all__ = ["PruneOrder", "prune_tasks", "read_terms"]

COUNTED_ROWS: Final = 1_000_000
"""Nothing is locked to count: a batch is bounded by what it looks at."""

Counts: TypeAlias = Counter[tuple[str, TaskState]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOrder:
    """What the command line says."""

    retention: Retention
    is_agreed: bool
    is_dry: bool
    as_json: bool


def read_terms(
    settings: Settings,
    *,
    older_than: str | None,
    states: str | None,
    queue: str | None,
    kind: str | None,
) -> Retention:
    """Return what is to be kept: as flags say it, or the terms in force if there are none.

    Raises:
        ConfigurationError: a flag cannot be read, names a state in which tasks are not finished, or
            stands without --older-than.
    """
    if older_than is None:
        if states or queue or kind:
            raise ConfigurationError(
                "--state, --queue and --kind go with --older-than; say how old, as in"
                " --older-than 3d"
            )
        return settings.retention.retention
    keep = read_duration(older_than, flag="--older-than")
    chosen = read_states(states) or TERMINAL_STATES
    for state in sorted(chosen - TERMINAL_STATES):
        raise ConfigurationError(
            f"--state {state} cannot be meant here; only finished tasks are deleted:"
            f" {', '.join(sorted(TERMINAL_STATES))}"
        )
    return Retention(
        tuple(KeepRule(keep=keep, queue=queue, kind=kind, state=s) for s in sorted(chosen))
    )


async def prune_tasks(settings: Settings, order: PruneOrder) -> None:
    """Count, ask, delete, and tell.

    Raises:
        UsageError: a person does not want it after all, or nobody can be asked.
        StoreUnavailableError: Postgres did not answer; what is deleted by then has been said.
    """
    async with open_view(settings) as view:
        as_of = await view.onlooker.now()
        found = await _walk(view, order.retention, as_of=as_of, is_dry=True)
        if order.is_dry or not found:
            _tell(found, order, verb="would be deleted")
            return
        if not order.as_json:
            _show_counts(found)
        what = f"delete {counted(found.total(), 'finished task')} for good"
        confirm(what, is_agreed=order.is_agreed)
        # Before the deed, which may be interrupted.
        target, details = keep_in_words(order.retention), {"tasks": found.total()}
        await view.record(
            Deed(actor=actor_of(settings), what="prune", target=target, details=details)
        )
        gone = await _walk(view, order.retention, as_of=as_of, is_dry=False)
    _tell(gone, order, verb="deleted")


async def _walk(view: View, retention: Retention, *, as_of: datetime, is_dry: bool) -> Counts:
    total: Counts = Counter()
    panel, after, is_over = Panel(), TaskId(0), False
    verb = "counted" if is_dry else "deleted"
    limit = {"row_limit": COUNTED_ROWS} if is_dry else {}
    try:
        while not is_over:
            batch = await view.pruner.prune(
                retention, after=after, as_of=as_of, is_dry=is_dry, **limit
            )
            total.update(batch.counts)
            after, is_over = batch.last_id, batch.is_over
            if panel.is_due:
                panel.draw([f"hive: {verb} {counted(total.total(), 'task')}"])
    except StoreUnavailableError:
        if not is_dry:
            panel.note(f"hive: {counted(total.total(), 'task')} had been deleted by then")
        raise
    panel.erase()
    return total


def _tell(counts: Counts, order: PruneOrder, *, verb: str) -> None:
    if order.as_json:
        rows = [
            {"queue": queue, "state": state, "count": count}
            for (queue, state), count in sorted(counts.items())
        ]
        show_json({"is_dry": order.is_dry, "count": counts.total(), "by_queue_and_state": rows})
    elif not counts:
        say("hive: no finished task is old enough")
    elif order.is_dry:
        _show_counts(counts)
        show(f"{counted(counts.total(), 'task')} {verb}")
    else:
        say(f"hive: {verb} {counted(counts.total(), 'task')} with their attempts and output")


def _show_counts(counts: Counts) -> None:
    rows = [[queue, state, f"{count:,}"] for (queue, state), count in sorted(counts.items())]
    show_table(["queue", "state", "tasks"], rows)
