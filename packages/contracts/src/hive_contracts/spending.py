"""What attempts spend, and how much they may: money, tokens and turns.

Money is whole millionths of a dollar: sums of it are exact, and a price of a fraction of a cent is
not lost. What is not known is None and never 0.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

__all__ = ["MOST", "Budget", "BudgetScope", "Spending", "Spent", "UsedBudget"]

MOST: Final = 10**15
"""A billion dollars, and more tokens than anybody has. Sums of it fit into Postgres's numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What one attempt has spent so far, in all: each from 0 to 10**15, or None if nobody knows."""

    microdollars: int | None = None
    """Millionths of a US dollar."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    turns: int | None = None
    """How often a model was asked."""

    def __post_init__(self) -> None:
        """Refuse what nobody can have spent.

        Raises:
            ValueError: one is no whole number from 0 to 10**15.
        """
        for name in ("microdollars", "input_tokens", "output_tokens", "turns"):
            amount = getattr(self, name)
            if amount is not None and not (type(amount) is int and 0 <= amount <= MOST):
                raise ValueError(f"{name} is a whole number from 0 to 10**15, not {amount!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What several attempts have spent together; each None if it is of none of them known."""

    microdollars: int | None
    tokens: int | None
    turns: int | None
    unpriced: int
    """How many of the attempts have spent what nobody knows the price of: it comes on top."""


@unique
class BudgetScope(StrEnum):
    """Whose tasks spend a budget together."""

    GROUP = "group"
    QUEUE = "queue"
    ALL = "all"
    """Those of the whole Hive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be spent; None for as much as is wanted."""

    scope: BudgetScope
    target: str = ""
    """The name of the group or queue; empty for all."""

    is_daily: bool = False
    """Of each day in UTC; else in all."""

    microdollars: int | None = None
    tokens: int | None = None
    """Of input and output together."""

    turns: int | None = None

    @property
    def name(self) -> str:
        """How it is called, as "group:nightly" or "queue:agents/day"."""
        target = f":{self.target}" if self.target else ""
        return f"{self.scope}{target}{'/day' if self.is_daily else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedBudget:
    """A budget, and what is spent of it."""

    budget: Budget
    spent: Spent
    is_used_up: bool
