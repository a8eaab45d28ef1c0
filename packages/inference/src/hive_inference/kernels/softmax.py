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
    "exponentiate_as_they_are",
]

GROUP: Final = 32
"""Columns are a multiple of this wherever the bits of a row must not depend on their number."""

FOUR: Final = 4
"""Rows that a product with ones takes side by side."""

LEAST_SUM: Final = 1e-20
"""Weights of 1e-18 of such a row's greatest are float32's least numbers."""

GREATEST_SUM: Final = 1e30
"""Far below float32's greatest number, so that what is weighted and added stays below it, too."""


def exponentiate(scores: F32, sums: F32, ones: F32) -> None:
    """Replace each row by exp(row - its greatest), and write the rows' sums.

    Shapes:
        scores: (R, 4, T), changed in place, T a multiple of 32; -inf where nothing is to be seen,
            but at least one value of each row finite
        sums: (R, 4, 1), overwritten
        ones: (T, 1)

    The row's greatest is taken off first, so that no exponent is above zero (Goodfellow, Bengio
    and Courville, Deep Learning, 2016, section 4.1).
    """
    np.maximum.reduce(scores, axis=-1, keepdims=True, out=sums)
    np.subtract(scores, sums, out=scores)
    np.exp(scores, out=scores)
    np.matmul(scores, ones, out=sums)


def exponentiate_as_they_are(scores: F32) -> F32:
    """Replace each value by its exponential, and return the rows' sums.

    Scores of trained encoders stay below 69 (MiniLM's own come to 43 with prose, 58 with random
    tokens), where nothing has to be taken off; one greatest value for all rows, taken off from
    each, would lose the digits of those far below it. A row whose sum is not between `LEAST_SUM`
    and `GREATEST_SUM` has lost digits or numbers, and wants its own greatest taken off first.

    Shapes:
        scores: (..., N), changed in place
        returns: (..., 1)
    """
    np.exp(scores, out=scores)
    return scores @ np.ones((scores.shape[-1], 1), np.float32)
