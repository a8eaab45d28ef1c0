"""A row of the benchmark: its name, what it says, what it has to reach, how it is measured."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hive_bench.bench import Bench
from hive_bench.crew import FAULTS
from hive_bench.figures import Verdict

__all__ = ["Measured", "Row"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The samples of each of a row's figures, and whatever else is worth keeping."""

    samples: Sequence[Sequence[float]]
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row."""

    name: str
    says: str
    """What its figure is, in words."""

    reach: tuple[float | None, ...]
    """What each of its figures has to reach; None if it only informs."""

    measure: Callable[[Bench], Awaitable[Measured]]
    is_less_better: bool = False
    entrants: tuple[str, ...] = ()
    """Who must be drained for it."""

    needs_sql: bool = False
    """Whether bare SQL must be drained for it."""

    needs_two: bool = False
    """Whether it needs drains with two workers beside those with one."""

    is_asked_for: bool = False
    """Whether it runs only when it is named."""

    async def run(self, bench: Bench) -> Verdict:
        """Measure it; what cannot be had or fails makes it `missing`, and says why."""
        samples: Sequence[Sequence[float]] = ()
        details: dict[str, Any] = {}
        why_missing: str | None = None
        try:
            measured = await self.measure(bench)
            samples, details = measured.samples, measured.details
        except FAULTS as error:
            why_missing = str(error) or type(error).__name__
        return Verdict(
            name=self.name,
            says=self.says,
            samples=tuple(map(tuple, samples)),
            reach=self.reach,
            is_less_better=self.is_less_better,
            why_missing=why_missing,
            details=details,
        )
