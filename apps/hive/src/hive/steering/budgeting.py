"""Budgets from the command line: which one is meant, and how they are shown."""

from dataclasses import asdict
from typing import Any

from hive.acting_for import actor_of
from hive.money import show_amounts
from hive.printing import say, show_json, show_table
from hive.settings import Settings
from hive.tasks.reaching import open_view
from hive.words import counted
from hive_contracts.errors import ConfigurationError, UsageError
from hive_contracts.spending import Budget, BudgetScope, UsedBudget

__all__ = [
    "budget_line",
    "list_budgets",
    "plain_budget",
    "read_budget",
    "remove_budget",
    "set_budget",
]


def read_budget(*, group: str | None, queue: str | None, everything: bool, daily: bool) -> Budget:
    """Return whose budget is meant, without amounts.

    Raises:
        ConfigurationError: not exactly one thing is named.
    """
    named = [
        (scope, target)
        for scope, target in ((BudgetScope.GROUP, group), (BudgetScope.QUEUE, queue))
        if target is not None
    ]
    named += [(BudgetScope.ALL, "")] * everything
    if len(named) != 1:
        raise ConfigurationError("name whose budget it is with one of --group, --queue and --all")
    return Budget(scope=named[0][0], target=named[0][1], is_daily=daily)


async def set_budget(settings: Settings, budget: Budget) -> None:
    """Set a budget, and say which, and what goes on."""
    async with open_view(settings) as view:
        freed = await view.budgets_of(actor_of(settings)).set(budget)
    say(f"hive: budget {budget.name} holds from now on{_freed(freed)}")


async def remove_budget(settings: Settings, budget: Budget) -> None:
    """Lift a budget.

    Raises:
        UsageError: there is none.
    """
    async with open_view(settings) as view:
        freed = await view.budgets_of(actor_of(settings)).remove(budget.name)
    if freed is None:
        raise UsageError(
            f"there is no budget {budget.name}; `hive budget list` shows those there are"
        )
    say(f"hive: budget {budget.name} is lifted{_freed(freed)}")


async def list_budgets(settings: Settings, *, as_json: bool) -> None:
    """Print every budget, and what is spent of it."""
    async with open_view(settings) as view:
        budgets = await view.budgets_of(actor_of(settings)).all()
    if as_json:
        show_json([plain_budget(used) for used in budgets])
    elif budgets:
        rows = [[u.budget.name, show_amounts(u.budget, u.spent), _state(u)] for u in budgets]
        show_table(["budget", "spent", "state"], rows)
    else:
        say("hive: no budgets; try: hive budget set --queue agents --daily 20usd")


def plain_budget(used: UsedBudget) -> dict[str, Any]:
    """Return a budget, and what is spent of it, for programs."""
    return {"name": used.budget.name} | asdict(used)


def budget_line(used: UsedBudget) -> str:
    """Return a budget on one line."""
    over = "; used up" * used.is_used_up
    return f"budget {used.budget.name}: {show_amounts(used.budget, used.spent)}{over}"


def _state(used: UsedBudget) -> str:
    return "used up" if used.is_used_up else "-"


def _freed(count: int) -> str:
    verb = "goes" if count == 1 else "go"
    return f"; {counted(count, 'task')} that it had set aside {verb} on" if count else ""
