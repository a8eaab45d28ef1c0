"""What commands that act on many tasks share: which tasks are meant, and asking before the deed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hive.acting.sweep import states_open_to
from hive.acting.targets import find, fitting, read_target
from hive.confirming import confirm
from hive.filters import Filter
from hive.printing import say, show, show_json
from hive.running import run_main
from hive.settings import Settings
from hive.words import counted, some_of
from hive_contracts.ids import TaskId
from hive_contracts.states import Move

__all__ = ["Order", "chosen_tasks"]

MANY: Final = 20
"""So many tasks are acted upon without being asked about, when a filter finds them."""

SHOWN: Final = 20

WORDS: Final = {
    Move.CANCEL: ("cancel", "cancelled"),
    Move.REVIVE: ("retry", "queued again"),
    Move.PARK: ("park", "parked"),
    Move.FALL_DUE: ("unpark", "looked at, and let go on if it is parked"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line says."""

    move: Move
    words: Sequence[str]
    filter: Filter
    is_agreed: bool
    is_dry: bool
    as_json: bool

    @property
    def verb(self) -> str:
        """What is done, as it is typed."""
        return WORDS[self.move][0]

    @property
    def done(self) -> str:
        """What is done, as it is told."""
        return WORDS[self.move][1]


def chosen_tasks(settings: Settings, order: Order) -> Sequence[TaskId] | None:
    """Return the tasks to act on; None if that was only to be tried, or if there are none.

    Raises:
        UsageError: what is named makes no sense, or a person does not want it after all.
    """
    target = read_target(order.words, order.filter, verb=order.verb)
    states = states_open_to(order.move)
    if target.filter.is_empty:
        if not order.is_dry:
            return target.task_ids
        task_ids = run_main(fitting(settings, target.task_ids, states))
    else:
        task_ids = run_main(find(settings, target.filter, states))
    if order.is_dry:
        _tell_what_would_be_done(task_ids, order)
        return None
    if not task_ids and not order.as_json:
        say(f"hive: nothing to {order.verb}: no task fits that could be {order.done}")
        return None
    if len(task_ids) > MANY:
        confirm(f"{order.verb} {counted(len(task_ids), 'task')}", is_agreed=order.is_agreed)
    return task_ids


def _tell_what_would_be_done(task_ids: Sequence[TaskId], order: Order) -> None:
    if order.as_json:
        show_json({"count": len(task_ids), "first_ids": list(task_ids[:SHOWN])})
        return
    which = f": {some_of(task_ids, most=SHOWN)}" if task_ids else ""
    show(f"{counted(len(task_ids), 'task')} would be {order.done}{which}")
