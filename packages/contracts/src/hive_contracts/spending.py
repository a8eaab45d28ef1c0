"""What attempts spend, and how much they may: money, tokens and turns.

Money is whole millionths of a dollar: sums of it are exact, and a price of a fraction of a cent is
not lost. What is not known is None and never 0.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

__all__ = ["Budget", "BudgetScope", "Spending", "Spent", "UsedBudget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What one attempt has spent so far, in all. Each is at least 0, or None if nobody knows."""

    microdollars: int | None = None
    """Millionths of a US dollar."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    turns: int | None = None
    """How often a model was asked."""


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
