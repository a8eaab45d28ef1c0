"""Which texts go through the encoder together: those of like length, up to a budget of tokens."""

from collections.abc import Sequence
from typing import Final

__all__ = ["BUDGET_TOKENS", "pack"]

BUDGET_TOKENS: Final = 512
"""Passes of 256 to 1,024 tokens are equally fast for MiniLM; 128 cost a fifth more (two cores with
AVX-512, November 2026). Half of the range keeps others waiting for half as long."""


def pack(lengths: Sequence[int], budget: int = BUDGET_TOKENS) -> list[list[int]]:
    """Return the numbers of the texts of each pass, longest texts first.

    Texts of equal length come next to one another, since attention takes those in one product. A
    text longer than the budget goes alone.
    """
    packs: list[list[int]] = []
    room = 0
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        if not packs or lengths[number] > room:
            packs.append([])
            room = budget
        packs[-1].append(number)
        room -= lengths[number]
    return packs
