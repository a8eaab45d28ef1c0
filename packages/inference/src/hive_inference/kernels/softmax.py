"""Softmax in place, its last division left to whoever has the smaller array to divide.

Sums run over whole groups of 32 columns, group after group, so that more columns of zeros at the
end change no bit: the weights of one sequence are the same whatever the length of its batch mates.
(`sum(axis=-1)` adds in an order that depends on the length.)
"""

from typing import Final

import numpy as np

from hive_inference.arrays import F32

__all__ = ["GROUP", "exponentiate", "softmax"]

GROUP: Final = 32
"""Columns are a multiple of this wherever the bits of a row must not depend on their number."""


def exponentiate(scores: F32, sums: F32) -> None:
    """Replace each row by exp(row - its greatest), and write the rows' sums.

    Shapes:
        scores: (R, T), changed in place, T a multiple of 32; -inf where nothing is to be seen, but
            at least one value of each row finite
        sums: (R, 1), overwritten

    The row's greatest is taken off first, so that no exponent is above zero (Goodfellow, Bengio
    and Courville, Deep Learning, 2016, section 4.1).
    """
    rows, columns = scores.shape
    np.max(scores, axis=1, keepdims=True, out=sums)
    scores -= sums
    np.exp(scores, out=scores)
    lanes = np.add.reduce(scores.reshape(rows, columns // GROUP, GROUP), axis=1)
    np.add.reduce(lanes, axis=1, keepdims=True, out=sums)


def softmax(scores: F32) -> None:
    """Replace each row by its probabilities.

    Shapes:
        scores: (R, N), changed in place
    """
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
