"""GELU in place, twice: the form that GPT-2 was trained with, and the exact one approximated.

Both return **twice** the activation, because the half is free elsewhere: whoever folds weights
multiplies those of the layer behind by 0.5.

Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016, section 2.
"""

from typing import Final

import numpy as np

from hive_inference.arrays import F32

__all__ = ["twice_gelu_erf", "twice_gelu_tanh"]

_BLOCK_ROWS: Final = 64
"""Rows at a time, so that the seven passes find their operands in the cache."""

_TANH_LINEAR: Final = np.float32(0.7978845608028654)
"""The square root of 2 / pi."""

_TANH_CUBIC: Final = np.float32(0.7978845608028654 * 0.044715)

_ERF: Final = (np.float32(7.97507884e-01), np.float32(3.70056462e-02), np.float32(-3.51516809e-04))
"""tanh(x (a + b x^2 + c x^4)) = erf(x / sqrt 2), so that GELU is off by 2.6e-5 at most: found by
random descent on the greatest error over [-12, 12]. `x ** 3` would cost 80 times as much as the
products do, and an exact erf 15 times (two cores with AVX-512, numpy 2.4, November 2026)."""

_ERF_MAX_SQUARE: Final = np.float32(25.0)
"""Beyond it the quartic would turn round and flip the sign near |x| = 11."""

_ONE: Final = np.float32(1.0)


def twice_gelu_tanh(x: F32, scratch: F32) -> None:
    """Replace x by x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).

    Shapes:
        x: (R, F), changed in place
        scratch: (64, F) or more rows, overwritten
    """
    for start in range(0, len(x), _BLOCK_ROWS):
        rows = x[start : start + _BLOCK_ROWS]
        inner = scratch[: len(rows)]
        np.multiply(rows, rows, out=inner)
        inner *= _TANH_CUBIC
        inner += _TANH_LINEAR
        _finish(rows, inner)


def twice_gelu_erf(x: F32, scratch: F32) -> None:
    """Replace x by x (1 + erf(x / sqrt 2)), to within 6e-5 (so GELU is within 3e-5).

    Shapes:
        x: (R, F), changed in place
        scratch: (128, F) or more rows, overwritten
    """
    constant, quadratic, quartic = _ERF
    for start in range(0, len(x), _BLOCK_ROWS):
        rows = x[start : start + _BLOCK_ROWS]
        square = scratch[: len(rows)]
        np.multiply(rows, rows, out=square)
        np.minimum(square, _ERF_MAX_SQUARE, out=square)
        # In Horner's form, s (c s + b) + a, through one more buffer than tanh's.
        inner = scratch[_BLOCK_ROWS : _BLOCK_ROWS + len(rows)]
        np.multiply(square, quartic, out=inner)
        inner += quadratic
        inner *= square
        inner += constant
        _finish(rows, inner)


def _finish(rows: F32, inner: F32) -> None:
    inner *= rows
    np.tanh(inner, out=inner)
    inner += _ONE
    rows *= inner
