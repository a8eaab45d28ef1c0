"""Rotary positions: pairs of a head's numbers turned by angles that grow with the position.

Number i of a head is paired with number i + D / 2, as in Llama's weights.

Source: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, 2021, equation 34.
"""

import numpy as np

from hive_inference.arrays import F32, I64

__all__ = ["Rotation"]


class Rotation:
    """The turns of every position up to a context's length."""

    def __init__(self, *, context: int, head_width: int, base: float) -> None:
        half = head_width // 2
        angles = np.arange(context)[:, None] * base ** (-np.arange(half) / half)
        cosines, sines = np.cos(angles), np.sin(angles)
        self._cosines = np.concatenate([cosines, cosines], axis=1).astype(np.float32)  # (C, D)
        self._sines = np.concatenate([-sines, sines], axis=1).astype(np.float32)
        self._half = half

    def at(self, positions: I64) -> tuple[F32, F32]:
        """Return the cosines and the sines of these positions.

        Shapes:
            positions: (R,)
            returns: (R, 1, D) twice, the sines negative in their first half
        """
        return self._cosines[positions][:, None], self._sines[positions][:, None]

    def turn(self, x: F32, turns: tuple[F32, F32]) -> None:
        """Turn every head of x, in place.

        Shapes:
            x: (R, H, D)
        """
        cosines, sines = turns
        rows, heads, width = x.shape
        halves = x.reshape(rows, heads, 2, self._half)
        swapped = halves[:, :, ::-1] * sines.reshape(rows, 1, 2, self._half)
        x *= cosines
        x += swapped.reshape(rows, heads, width)
