"""Move tasks to another queue, while nobody has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hive.acting.targets import batches, find, read_target
from hive.acting_for import actor_of
from hive.confirming import confirm
from hive.filters import Filter
from hive.printing import say, show_json
from hive.settings import Settings
from hive.tasks.reaching import open_view
from hive.words import counted, some_of
from hive_contracts.ids import TaskId
from hive_contracts.states import WAITING_STATES

__all__ = ["MoveOrder", "move"]

MANY: Final = 20
"""So many tasks are moved without being asked about, when a filter finds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOrder:
    """What the command line says."""

    queue: str
    """Where they shall wait."""

    words: Sequence[str]
    filter: Filter
    is_agreed: bool
    as_json: bool


async def _chosen(settings: Settings, order: MoveOrder) -> Sequence[TaskId]:
    """Return the tasks that are meant.

    Raises:
        UsageError: what is named makes no sense.
    """
    target = read_target(order.words, order.filter, verb="move")
    if target.filter.is_empty:
        return target.task_ids
    return await find(settings, target.filter, WAITING_STATES)


async def move(settings: Settings, order: MoveOrder) -> bool:
    """Move tasks, and tell how many; return whether all were moved."""
    task_ids = await _chosen(settings, order)
    if order.words == [] and len(task_ids) > MANY:
        confirm(f"move {counted(len(task_ids), 'task')}", is_agreed=order.is_agreed)
    moved: list[TaskId] = []
    async with open_view(settings) as view:
        controls = view.controls_of(actor_of(settings))
        for batch in batches(task_ids):
            moved += await controls.move(batch, queue=order.queue)
    left = sorted(set(task_ids) - set(moved))
    if order.as_json:
        show_json({"moved": len(moved), "left": left})
        return not left
    say(f"hive: {counted(len(moved), 'task')} moved to queue {order.queue}")
    if left:
        say(f"hive: {len(left):,} not moved, because a worker or a transaction has them, they have"
            f" ended, or are not there: {some_of(left)}")  # fmt: skip
    return not left
