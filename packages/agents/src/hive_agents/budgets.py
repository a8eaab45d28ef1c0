"""What an agent may use up, and whether it has: compared with its stream while it runs.

A budget is of the whole task. What attempts before this one have used counts as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final

from hive_agents.profiles import Prices
from hive_agents.streams.report import Report
from hive_contracts.spending import MOST

__all__ = ["NOTHING", "Budget", "Spent", "read_budget", "spent_in"]

MOST_SECONDS: Final = 10.0 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The `budget` of a payload; None is no limit."""

    usd: float | None = None
    """Money, in US dollars, as the program or the profile's prices say it."""

    tokens: float | None = None
    """Tokens read and written; what is read from the provider's cache does not count."""

    turns: float | None = None
    """Answers of the model."""

    seconds: float | None = None
    """Time that it runs."""

    def __post_init__(self) -> None:
        """Refuse what nothing can be kept to."""
        for field in fields(self):
            limit = getattr(self, field.name)
            most = MOST_SECONDS if field.name == "seconds" else MOST
            if limit is not None and not 0 < limit <= most:
                raise ValueError(
                    f"budget.{field.name} is more than 0, and at most {most:,.0f}; not {limit:g}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was used up."""

    usd: float | None = None
    """None if nobody knows the price."""

    tokens: int | None = None
    turns: int = 0
    seconds: float = 0.0

    def and_also(self, more: "Spent") -> "Spent":
        """Return both together; what is not known of one of them is that of the other."""
        usd, tokens = self.usd, self.tokens
        if more.usd is not None:
            usd = (usd or 0.0) + more.usd
        if more.tokens is not None:
            tokens = (tokens or 0) + more.tokens
        return Spent(
            usd=usd,
            tokens=tokens,
            turns=self.turns + more.turns,
            seconds=self.seconds + more.seconds,
        )

    def over(self, budget: Budget) -> str | None:
        """Return which budget is exceeded, by its name; None if none is."""
        return next((name for name, used, most in self._beside(budget) if used > most), None)

    def exhausts(self, budget: Budget) -> str | None:
        """Return which budget leaves nothing to begin with, by its name; None if none does."""
        return next((name for name, used, most in self._beside(budget) if used >= most), None)

    def _beside(self, budget: Budget) -> Iterator[tuple[str, float, float]]:
        for field in fields(budget):
            used, most = getattr(self, field.name), getattr(budget, field.name)
            if used is not None and most is not None:
                yield field.name, used, most


NOTHING: Final = Spent()


def read_budget(said: Mapping[str, float]) -> Budget:
    """Return the budget that a payload says.

    Raises:
        ValueError: it names what there is no budget of, or a limit makes no sense.
    """
    known = [field.name for field in fields(Budget)]
    for name in said:
        if name not in known:
            raise ValueError(f"budget has {name!r}; there are {', '.join(known)}")
    return Budget(**said)


def spent_in(report: Report, prices: Prices | None, *, seconds: float) -> Spent:
    """Return what an attempt has used up so far.

    Args:
        report: what it has said.
        prices: what its tokens cost, for as long as it does not say what it has cost.
        seconds: how long it has run.
    """
    usd = report.cost_usd
    if usd is None and prices is not None and report.tokens is not None:
        usd = prices.cost_of(report)
    return Spent(usd=usd, tokens=report.tokens, turns=report.turns, seconds=seconds)
