"""The gated activation of Llama's feed-forward layers."""

import numpy as np

from hive_inference.arrays import F32
from hive_inference.kernels.gelu import times_logistic

__all__ = ["gate_with_silu"]


def gate_with_silu(up: F32, out: F32) -> None:
    """Write silu(g) u to `out`: g and u are the halves of `up`, silu(g) = g / (1 + exp(-g)).

    To be called where an overflow is no news, as `hive_inference.kernels.gelu` says.

    Shapes:
        up: (R, 2 F), g first; g is overwritten
        out: (R, F), overwritten

    Source: Shazeer, GLU Variants Improve Transformer, 2020, equation 6.
    """
    width = out.shape[1]
    gate = up[:, :width]
    np.negative(gate, out=out)
    times_logistic(gate, out)
    np.multiply(gate, up[:, width:], out=out)
