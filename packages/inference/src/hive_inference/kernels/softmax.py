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
    "GROUP",
    "exponentiate",
    "exponentiate_carefully",
    "has_lost",
]

GROUP: Final = 32
"""Columns are a multiple of this wherever the bits of a row must not depend on their number."""

FOUR: Final = 4
"""Rows that a product with ones takes side by side."""

_LEAST_SUM: Final = 1e-20
"""Weights of 1e-18 of such a row's greatest are float32's least numbers."""

_GREATEST_SUM: Final = 1e30
"""Far below float32's greatest number, so that what is weighted and added stays below it, too."""


def exponentiate(scores: F32, sums: F32, ones: F32) -> None:
    """Replace each value by its exponential, and write the rows' sums.

    Nothing is taken off first. A row loses nothing as long as its greatest score is above -46 and
    its sum below exp(69); of MiniLM scores come to 43 with prose and to 58 with random tokens, of
    the shipped decoder sums to exp(22). One greatest value for all rows, taken off from each, would
    lose the digits of those far below it.

    Shapes:
        scores: (..., T), changed in place; -inf where nothing is to be seen. Where bits must not
            depend on the columns (R, 4, T), T a multiple of 32
        sums: (..., 1), overwritten
        ones: (T, 1)

    To be called where numpy ignores overflows and invalid values: those of a row that has lost.
    """
    np.exp(scores, out=scores)
    np.matmul(scores, ones, out=sums)


def exponentiate_carefully(scores: F32, sums: F32, ones: F32) -> None:
    """Do as `exponentiate`, but have a row's greatest value off first if its sum shows the need.

    Other rows have the same bits. It takes two to four times as long.

    Source: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 4.1.
    """
    before = scores.copy()
    exponentiate(scores, sums, ones)
    is_lost = ~((sums > _LEAST_SUM) & (sums < _GREATEST_SUM))[..., 0]
    far = before[is_lost]
    far -= np.maximum.reduce(far, axis=-1, keepdims=True)
    np.exp(far, out=far)
    scores[is_lost] = far
    np.matmul(scores, ones, out=sums)


def has_lost(sums: F32) -> bool:
    """Return whether a row has lost digits or numbers, and wants its greatest taken off first."""
    least = np.minimum.reduce(sums, axis=None)
    greatest = np.maximum.reduce(sums, axis=None)
    # Both are false of what is no number.
    return not (least > _LEAST_SUM and greatest < _GREATEST_SUM)
