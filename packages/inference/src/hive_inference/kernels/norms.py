"""Norms over the last axis.

A layer norm in front of a linear layer costs three passes less once folded: with a residual stream
that is kept centred the mean is zero, and scale, shift and the root of the width go into the layer
behind. What is left is `normalise`.
"""

import numpy as np

from hive_inference.arrays import F32

__all__ = ["layer_norm", "normalise"]


def normalise(x: F32, out: F32, lengths: F32, margin: np.float32) -> None:
    """Write x / sqrt(sum(x^2) + margin) to `out`: the root mean square norm over sqrt(E).

    Shapes:
        x: (R, E)
        out: (R, E), overwritten; may be x
        lengths: (R, 1), overwritten
        margin: (), E times what is added to the variance

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization, 2019, equation 4.
    """
    np.vecdot(x, x, out=lengths, keepdims=True)
    np.add(lengths, margin, out=lengths)
    np.sqrt(lengths, out=lengths)
    np.divide(x, lengths, out=out)


def layer_norm(
    x: F32, gamma: F32, beta: F32, *, mean_weights: F32, lengths: F32, margin: np.float32
) -> None:
    """Replace x by (x - mean) / sqrt(variance + epsilon) * gamma + beta.

    Shapes:
        x: (R, E), changed in place
        gamma, beta: (E,); gamma times sqrt(E), beta as it is
        mean_weights: (E, 1), each 1 / E
        lengths: (R, 1), overwritten
        margin: (), E epsilon

    A product with `mean_weights` takes a tenth of the time of `mean(axis=-1)`.

    Source: Ba, Kiros and Hinton, Layer Normalization, 2016, equation 3.
    """
    np.matmul(x, mean_weights, out=lengths)
    x -= lengths
    normalise(x, x, lengths, margin)
    x *= gamma
    x += beta
