"""A request for many vectors, shared out among engines, since each has one processor.

Texts are dealt out by their length, so that every share takes about as long. A share below a pass
of the encoder would gain nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hive_inference.messages import Embed, End, Ended

__all__ = ["Share", "merge", "share_out"]

_LEAST_CHARACTERS: Final = 256
"""Some 64 tokens of words, or 256 of characters."""


@dataclass(frozen=True, slots=True)
class Share:
    """Some of a request's texts."""

    places: tuple[int, ...]
    """Which of the request's texts they are, from 0."""

    ask: Embed


def share_out(ask: Embed, engines: int) -> list[Share]:
    """Return at most as many shares as there are engines, which hold every text once."""
    characters = sum(map(len, ask.texts))
    shares = max(1, min(engines, len(ask.texts), characters // _LEAST_CHARACTERS))
    order = sorted(range(len(ask.texts)), key=lambda place: -len(ask.texts[place]))
    dealt = [tuple(sorted(order[first::shares])) for first in range(shares)]
    return [
        Share(places, replace(ask, texts=tuple(ask.texts[place] for place in places)))
        for places in dealt
    ]


def merge(ends: Sequence[Ended]) -> Ended:
    """Return how a request ended whose shares ended so: late, if one of them was."""
    late = [ended for ended in ends if ended.end is not End.FINISHED]
    return replace(
        (late or ends)[0],
        tokens_in=sum(ended.tokens_in for ended in ends),
        waited_seconds=max(ended.waited_seconds for ended in ends),
    )
