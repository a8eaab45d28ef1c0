"""Samples and what is said of them: the spread, and whether a figure reaches what it has to."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Spread", "Verdict", "short"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, median and most of some samples."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        """Return the spread of one sample at least."""
        return cls(min(samples), statistics.median(samples), max(samples))

    def __str__(self) -> str:
        return " / ".join(map(short, (self.least, self.median, self.most)))


def short(value: float) -> str:
    """Return a figure in three digits or so: what lies beyond them is noise."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a row came to."""

    name: str
    says: str
    """What the figure is, in words."""

    samples: tuple[tuple[float, ...], ...] = ()
    """The figures of each round: one list, or two for a row with two figures."""

    reach: tuple[float | None, ...] = ()
    """What the medians have to reach; None if they only inform."""

    is_less_better: bool = False
    why_missing: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    """Everything that was measured for it."""

    @property
    def spreads(self) -> list[Spread]:
        """The spread of each figure."""
        return [Spread.of(samples) for samples in self.samples]

    @property
    def state(self) -> str:
        """`ok`, `short` or `missing`."""
        if self.why_missing is not None:
            return "missing"
        pairs = zip((spread.median for spread in self.spreads), self.reach, strict=True)
        return "ok" if all(self._reaches(value, reach) for value, reach in pairs) else "short"

    def line(self) -> str:
        """Return the row's last line: its name, figure, reach and state."""
        value = "/".join(short(spread.median) for spread in self.spreads) or "-"
        reach = "/".join("-" if r is None else f"{r:g}" for r in self.reach) or "-"
        return f"{self.name} {value} {reach} {self.state}"

    def _reaches(self, value: float, reach: float | None) -> bool:
        return reach is None or (value <= reach if self.is_less_better else value >= reach)
