"""A row: its name, what it says, what it has to reach, how it is measured."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hive_bench.environments import MissingError
from hive_bench.figures import Verdict
from hive_inference.errors import InferenceError
from inference_bench.processes import FailedError
from inference_bench.workbench import Workbench

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
    """What its figures are, in words."""

    reach: tuple[float, ...]
    measure: Callable[[Workbench], Awaitable[Measured]]
    is_less_better: bool = False

    async def run(self, bench: Workbench) -> Verdict:
        """Measure it; what cannot be had or fails makes it `missing`, and says why."""
        samples: Sequence[Sequence[float]] = ()
        details: dict[str, Any] = {}
        why_missing: str | None = None
        try:
            measured = await self.measure(bench)
            samples, details = measured.samples, measured.details
        except (MissingError, FailedError, InferenceError) as error:
            why_missing = str(error)
        return Verdict(
            name=self.name,
            says=self.says,
            samples=tuple(map(tuple, samples)),
            reach=self.reach,
            is_less_better=self.is_less_better,
            why_missing=why_missing,
            details=details,
        )
