"""Budgets: how much may be spent, set in somebody's name, and what is spent of each."""

import re
from typing import Final

from hive_contracts.errors import UsageError
from hive_contracts.spending import MOST, Budget, BudgetScope, Spent, UsedBudget
from hive_store.deeds import Actor
from hive_store.line import Line

__all__ = ["BudgetStore"]

NAME: Final = re.compile(r"[^\s\x00\ud800-\udfff]{1,200}")
MICRO: Final = 1_000_000


class BudgetStore:
    """Budgets over a line, changed in somebody's name."""

    def __init__(self, line: Line, actor: Actor) -> None:
        self._line = line
        self._actor = actor

    async def set(self, budget: Budget) -> int:
        """Have a budget hold from now on; return how many tasks go on that it had set aside.

        Raises:
            UsageError: it is none; the message says why.
        """
        _check(budget)
        return await self._line.fetch_value(
            "set_budget",
            budget.scope,
            budget.target,
            budget.is_daily,
            budget.microdollars,
            budget.tokens,
            budget.turns,
            *self._actor,
        )

    async def remove(self, name: str) -> int | None:
        """Lift a budget by its name; return how many tasks go on, None if there is none."""
        return await self._line.fetch_value("remove_budget", name, *self._actor)

    async def all(self) -> list[UsedBudget]:
        """Return the budgets by name, and what is spent of each."""
        return [
            UsedBudget(
                budget=Budget(
                    scope=BudgetScope(row["scope"]),
                    target=row["target"],
                    is_daily=row["is_daily"],
                    microdollars=row["most_microdollars"],
                    tokens=row["most_tokens"],
                    turns=row["most_turns"],
                ),
                spent=Spent(
                    microdollars=row["microdollars"],
                    tokens=row["tokens"],
                    turns=row["turns"],
                    unpriced=row["unpriced"],
                ),
                is_used_up=row["is_used_up"],
            )
            for row in await self._line.fetch("list_budgets")
        ]

    async def spent_by_group(self, group: str) -> Spent | None:
        """Return what the tasks of a group have spent; None if none has told of anything."""
        [row] = await self._line.fetch("read_spending_of_group", group)
        if row["turns"] is None:
            return None
        return Spent(
            microdollars=row["microdollars"],
            tokens=row["tokens"],
            turns=row["turns"],
            unpriced=row["unpriced"],
        )


def _check(budget: Budget) -> None:
    if budget.scope is BudgetScope.ALL:
        if budget.target:
            raise UsageError(f"a budget of all names nothing, not {budget.target!r}")
    elif NAME.fullmatch(budget.target) is None:
        raise UsageError(
            f"a {budget.scope} is 1 to 200 characters without white space, not {budget.target!r}"
        )
    amounts = {name: getattr(budget, name) for name in ("microdollars", "tokens", "turns")}
    if all(amount is None for amount in amounts.values()):
        raise UsageError("a budget says how much may be spent: money, tokens or turns")
    for name, amount in amounts.items():
        if amount is not None and not 0 <= amount <= MOST:
            is_money = name == "microdollars"
            most, found = (MOST // MICRO, amount / MICRO) if is_money else (MOST, amount)
            unit = "dollars" if is_money else name
            raise UsageError(f"a budget has from 0 to {most:,} {unit}, not {found:,}")
