"""Softmax in place, its last division left to whoever has the smaller array to divide.

Sums are products with ones, over a number of columns that is a multiple of 32, so that more columns
of zeros at the end change no bit: the weights of one sequence are the same whatever the length of
its batch mates. (`sum(axis=-1)` adds in an order that depends on the length.) Rows go through in
fours: in a product of all rows the last three would add in another order.
"""

from typing import Final

import numpy as np

from hive_inference.arrays import F32

__all__ = [
    "FOUR",
    "GREATEST_SUM",
    "GROUP",
    "LEAST_SUM",
    "exponentiate",
    "exponentiate_all",
    "has_lost",
]

GROUP: Final = 32
"""Columns are a multiple of this wherever the bits of a row must not depend on their number."""

FOUR: Final = 4
"""Rows that a product with ones takes side by side."""

LEAST_SUM: Final = 1e-20
"""Weights of 1e-18 of such a row's greatest are float32's least numbers."""

GREATEST_SUM: Final = 1e30
"""Far below float32's greatest number, so that what is weighted and added stays below it, too."""

_ZERO: Final = np.zeros((), np.float32)


def exponentiate(scores: F32, sums: F32, ones: F32) -> None:
    """Replace each value by its exponential, and write the rows' sums.

    Scores of trained models stay below 69 (MiniLM's own come to 43 with prose, 58 with random
    tokens), where nothing has to be taken off; one greatest value for all rows, taken off from
    each, would lose the digits of those far below it.

    Shapes:
        scores: (..., T), changed in place; -inf where nothing is to be seen. Where bits must not
            depend on the columns (R, 4, T), T a multiple of 32
        sums: (..., 1), overwritten
        ones: (T, 1)
    """
    np.exp(scores, out=scores)
    np.matmul(scores, ones, out=sums)


def exponentiate_all(scores: F32, sums: F32, ones: F32) -> None:
    """Do as `exponentiate`, but take a row's greatest value off first if its sum shows the need.

    A row without need has the same bits. It takes three times as long.

    Source: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 4.1.
    """
    before = scores.copy()
    exponentiate(scores, sums, ones)
    is_lost = ~((sums > LEAST_SUM) & (sums < GREATEST_SUM))
    greatest = np.maximum.reduce(before, axis=-1, keepdims=True)
    np.subtract(before, np.where(is_lost, greatest, _ZERO), out=scores)
    exponentiate(scores, sums, ones)


def has_lost(sums: F32) -> bool:
    """Return whether a row has lost digits or numbers, and wants its greatest taken off first."""
    least = np.minimum.reduce(sums, axis=None)
    greatest = np.maximum.reduce(sums, axis=None)
    # Both are false of what is no number.
    return not (least > LEAST_SUM and greatest < GREATEST_SUM)
