"""The engine's kernels as their sources write them, in float64."""

import math
from typing import Final

import numpy as np

from hive_inference.arrays import F64

__all__ = ["gelu_erf", "gelu_tanh", "layer_norm", "rms_norm", "silu", "softmax"]

_erf: Final = np.vectorize(math.erf, otypes=[np.float64])


def gelu_erf(x: F64) -> F64:
    """Return x times the normal distribution's share below x."""
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def gelu_tanh(x: F64) -> F64:
    """Return GELU in the form that GPT-2 was trained with."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def silu(x: F64) -> F64:
    """Return x times its logistic function."""
    return x / (1.0 + np.exp(-x))


def layer_norm(x: F64, gamma: F64, beta: F64, epsilon: float) -> F64:
    """Return x with mean 0 and variance 1 along its last axis, then scaled and shifted."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * gamma + beta


def rms_norm(x: F64, gamma: F64, epsilon: float) -> F64:
    """Return x over its root mean square along its last axis, then scaled."""
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon) * gamma


def softmax(x: F64) -> F64:
    """Return probabilities along the last axis."""
    exponents = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)
