"""A decoder as its papers write it: the whole sequence anew for every token, in float64.

Sources: Vaswani et al., Attention Is All You Need, 2017; Radford et al., Language Models are
Unsupervised Multitask Learners, 2019 (norms in front); Touvron et al., LLaMA, 2023.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from hive_inference.arrays import F32, F64
from hive_inference.decoder.shape import Activation, DecoderShape, Norm, Positions
from hive_inference.reference.kernels import (
    gelu_erf,
    gelu_tanh,
    layer_norm,
    rms_norm,
    silu,
    softmax,
)

__all__ = ["PlainDecoder"]

_GELU: Final = {Activation.GELU_TANH: gelu_tanh, Activation.GELU_ERF: gelu_erf}


class PlainDecoder:
    """The trained weights of `decoder.folding`, multiplied without a trick."""

    def __init__(self, trained: Mapping[str, F32], shape: DecoderShape) -> None:
        self._weights = {name: tensor.astype(np.float64) for name, tensor in trained.items()}
        self._shape = shape

    def logits(self, tokens: Sequence[int]) -> F64:
        """Return what may come after each token: (T,) -> (T, V)."""
        x = self._weights["embedding"][list(tokens)]
        if self._shape.positions is Positions.LEARNED:
            x = x + self._weights["positions"][: len(tokens)]
        for layer in range(self._shape.layers):
            name = f"layers.{layer}"
            x = x + self._attend(name, self._norm(f"{name}.norm1", x))
            x = x + self._feed_forward(name, self._norm(f"{name}.norm2", x))
        return self._linear("head", self._norm("final", x))

    def _attend(self, name: str, x: F64) -> F64:
        shape, count = self._shape, len(x)
        fused = self._linear(f"{name}.qkv", x).reshape(count, -1, shape.head_width)
        q, k, v = np.split(fused, [shape.heads, shape.heads + shape.kv_heads], axis=1)
        if shape.positions is Positions.ROTARY:
            q, k = self._turned(q), self._turned(k)
        shared = shape.heads // shape.kv_heads
        k, v = np.repeat(k, shared, axis=1), np.repeat(v, shared, axis=1)
        scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(shape.head_width)
        scores[:, ~np.tri(count, dtype=np.bool_)] = -np.inf
        seen = np.einsum("hts,shd->thd", softmax(scores), v)
        return self._linear(f"{name}.out", seen.reshape(count, -1))

    def _turned(self, x: F64) -> F64:
        half = x.shape[-1] // 2
        exponents: F64 = np.linspace(0.0, -1.0, half, endpoint=False)
        speeds = np.power(self._shape.rotary_base, exponents)
        angles = np.arange(len(x))[:, None] * speeds
        cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
        first, second = x[..., :half], x[..., half:]
        return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)

    def _feed_forward(self, name: str, x: F64) -> F64:
        inner = self._linear(f"{name}.up", x)
        if self._shape.activation is Activation.GATED_SILU:
            gate, up = np.split(inner, 2, axis=-1)
            return self._linear(f"{name}.down", silu(gate) * up)
        return self._linear(f"{name}.down", _GELU[self._shape.activation](inner))

    def _norm(self, name: str, x: F64) -> F64:
        gamma, epsilon = self._weights[f"{name}.gamma"], self._shape.epsilon
        if self._shape.norm is Norm.ROOT_MEAN_SQUARE:
            return rms_norm(x, gamma, epsilon)
        return layer_norm(x, gamma, self._weights[f"{name}.beta"], epsilon)

    def _linear(self, name: str, x: F64) -> F64:
        product: F64 = x @ self._weights[f"{name}.weight"]
        return product + self._weights.get(f"{name}.bias", 0.0)
