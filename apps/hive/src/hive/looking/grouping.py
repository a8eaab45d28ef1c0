"""How far a group is, as `hive group show` prints it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hive.acting_for import actor_of
from hive.durations import show_seconds
from hive.money import show_spent
from hive.settings import Settings
from hive.steering.budgeting import budget_line, plain_budget
from hive.tasks.reaching import open_view
from hive.words import counted
from hive_contracts.errors import ConfigurationError
from hive_contracts.spending import BudgetScope, Spent, UsedBudget
from hive_contracts.states import TaskState
from hive_store.selector import GroupProgress

__all__ = ["Group", "as_lines", "as_plain", "look_at_group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group, and what it has spent."""

    progress: GroupProgress
    spent: Spent | None
    """None if none of its tasks has told of anything."""

    budgets: Sequence[UsedBudget]
    """Its own."""


async def look_at_group(settings: Settings, name: str) -> Group:
    """Look at a group once.

    Raises:
        ConfigurationError: there is no such group.
    """
    async with open_view(settings) as view:
        found = await view.selector.progress(name)
        store = view.budgets_of(actor_of(settings))
        spent, budgets = await store.spent_by_group(name), await store.all()
    if not found.counts:
        raise ConfigurationError(
            f"there is no group {name!r}; `hive list` shows the groups of the newest tasks"
        )
    own = [u for u in budgets if (u.budget.scope, u.budget.target) == (BudgetScope.GROUP, name)]
    return Group(progress=found, spent=spent, budgets=own)


def as_plain(name: str, group: Group) -> dict[str, Any]:
    """Return everything for programs."""
    found = group.progress
    return {
        "group": name,
        "tasks": found.total,
        "ended": found.ended,
        "states": {state: found.counts.get(state, 0) for state in TaskState},
        "ends_per_second": found.ends_per_second,
        "left_seconds": found.left_seconds,
        "spent": None if group.spent is None else asdict(group.spent),
        "budgets": [plain_budget(used) for used in group.budgets],
    }


def as_lines(name: str, group: Group) -> list[str]:
    """Return everything for people."""
    found = group.progress
    money = [] if group.spent is None else [f"  spent: {show_spent(group.spent)}"]
    money += [f"  {budget_line(used)}" for used in group.budgets]
    percent = 100 * found.ended // found.total
    states = ", ".join(
        f"{found.counts[state]:,} {state}" for state in TaskState if state in found.counts
    )
    return [
        f"group {name}: {found.ended:,} of {counted(found.total, 'task')} ended ({percent} %)",
        f"  {states}",
        f"  {_outlook(found)}",
        *money,
        "",
        f"next: hive list --group {name} | hive map --reattach {name} | hive cancel --group {name}",
    ]


def _outlook(found: GroupProgress) -> str:
    if found.ended == found.total:
        return "all have ended"
    if found.left_seconds is None:
        return "none has ended in the last minute, so nobody can say when all will have"
    rate = f"{found.ends_per_second:.2g} end a second"
    return f"{rate}; at that rate all will have in {show_seconds(found.left_seconds)}"
