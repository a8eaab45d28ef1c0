"""The gated activation of Llama's feed-forward layers."""

import numpy as np

from hive_inference.arrays import F32

__all__ = ["gate_with_silu"]

_ONE = np.float32(1.0)


def gate_with_silu(up: F32, out: F32) -> None:
    """Write silu(2 g) u to `out`, where g and u are the halves of `up`.

    The gate comes halved, by folded weights, since silu(2 g) = g (1 + tanh g): no exponential that
    could overflow, and one division less.

    Shapes:
        up: (R, 2 F), g first
        out: (R, F), overwritten

    Source: Shazeer, GLU Variants Improve Transformer, 2020, equation 6.
    """
    width = out.shape[1]
    gate = up[:, :width]
    np.tanh(gate, out=out)
    out += _ONE
    out *= gate
    out *= up[:, width:]
