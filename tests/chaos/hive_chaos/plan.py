"""When which fault strikes, how long it lasts, and whom it meets: decided by a seed alone."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Strike", "strikes"]

FIRST_AT_SECONDS: Final = 3.0
GAP_SECONDS: Final = (0.5, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One fault, at one moment."""

    at_seconds: float
    """After the load has begun."""

    fault: str
    seconds: float
    """How long it lasts; 0 if it is over as it strikes."""

    choice: float
    """From 0 to less than 1: which of those that it could meet."""


def strikes(seed: int, *, faults: Mapping[str, tuple[float, float]]) -> Iterator[Strike]:
    """Yield the strikes of a run, in order, for ever.

    Faults come as from a deck of cards: each once before any comes again. Up to two are at work at
    the same time.

    Args:
        seed: the same one gives the same strikes.
        faults: by name, how many seconds a fault lasts, at least and at most.
    """
    chance = random.Random(seed)
    deck: list[str] = []
    at, busy_until = FIRST_AT_SECONDS, 0.0
    while True:
        if not deck:
            deck = sorted(faults)
            chance.shuffle(deck)
        fault = deck.pop()
        lasts = chance.uniform(*faults[fault])
        yield Strike(at_seconds=at, fault=fault, seconds=lasts, choice=chance.random())
        # The next may begin while this one is at work, but not before the one before it is over.
        gap = chance.uniform(*GAP_SECONDS)
        at, busy_until = max(at + gap, busy_until), max(busy_until, at + lasts)
