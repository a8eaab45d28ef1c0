"""Norms over the last axis.

A layer norm in front of a linear layer costs three passes less once folded: with a residual stream
that is kept centred the mean is zero, and scale, shift and the root of the width go into the layer
behind. What is left is `Normalise`.
"""

import numpy as np

from hive_inference.arrays import F32

__all__ = ["Normalise", "layer_norm"]


class Normalise:
    """Writes x / sqrt(sum(x^2) + margin): the root mean square norm over sqrt(E).

    Its views are made once. For one row they have an axis less, and no number is written where it
    is read: numpy then takes half a microsecond for what else takes one.

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization, 2019, equation 4.
    """

    def __init__(self, x: F32, out: F32, margin: float) -> None:
        """Look at two buffers.

        Shapes:
            x: (R, E)
            out: (R, E), overwritten by each call; may be x
            margin: E times what is added to the variance
        """
        is_alone = len(x) == 1
        self._x, self._out = (x[0], out[0]) if is_alone else (x, out)
        self._squares = np.empty(self._x.shape[:-1], np.float32)
        self._lengths = np.empty_like(self._squares)
        self._divisors = self._lengths if is_alone else self._lengths[:, None]
        self._margin = np.array(margin, np.float32)

    def __call__(self) -> None:
        """Do it with what is in x now."""
        np.vecdot(self._x, self._x, out=self._lengths)
        np.add(self._lengths, self._margin, out=self._squares)
        np.sqrt(self._squares, out=self._lengths)
        np.divide(self._x, self._divisors, out=self._out)


def layer_norm(
    x: F32, gamma: F32, beta: F32, *, mean_weights: F32, lengths: F32, margin: float
) -> None:
    """Replace x by (x - mean) / sqrt(variance + epsilon) * gamma + beta.

    Mean and variance are those of the first E columns. What stands behind them goes along, because
    rows without a gap take half the time: of gamma 0 and beta b it becomes b.

    Shapes:
        x: (R, S), S at least E, changed in place
        gamma, beta: (S,); gamma times sqrt(E), beta as it is
        mean_weights: (E, 1), each 1 / E
        lengths: (R, 1), overwritten
        margin: E epsilon

    A product with `mean_weights` takes a tenth of the time of `mean(axis=-1)`.

    Source: Ba, Kiros and Hinton, Layer Normalization, 2016, equation 3.
    """
    measured = x[:, : len(mean_weights)]
    np.matmul(measured, mean_weights, out=lengths)
    x -= lengths
    np.vecdot(measured, measured, out=lengths[:, 0])
    lengths += np.float32(margin)
    np.sqrt(lengths, out=lengths)
    x /= lengths
    x *= gamma
    x += beta
