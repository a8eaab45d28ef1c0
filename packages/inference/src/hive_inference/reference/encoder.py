"""An encoder as its papers write it, one text at a time, in float64.

Sources: Devlin et al., BERT, 2018; Reimers and Gurevych, Sentence-BERT, 2019.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from hive_inference.arrays import F32, F64
from hive_inference.encoder.shape import EncoderShape
from hive_inference.reference.kernels import gelu_erf, layer_norm, softmax

__all__ = ["PlainEncoder"]


class PlainEncoder:
    """The trained weights of `encoder.folding`, multiplied without a trick."""

    def __init__(self, trained: Mapping[str, F32], shape: EncoderShape) -> None:
        self._weights = {name: tensor.astype(np.float64) for name, tensor in trained.items()}
        self._shape = shape

    def encode(self, tokens: Sequence[int]) -> F64:
        """Return the text's vector, (E,), of length 1."""
        weights = self._weights
        x = weights["embedding"][list(tokens)] + weights["positions"][: len(tokens)]
        x = self._norm("entry", x + weights["kind"])
        for layer in range(self._shape.layers):
            name = f"layers.{layer}"
            x = self._norm(f"{name}.norm1", x + self._attend(name, x))
            inner = gelu_erf(self._linear(f"{name}.up", x))
            x = self._norm(f"{name}.norm2", x + self._linear(f"{name}.down", inner))
        mean: F64 = x.mean(axis=0)
        return mean / np.sqrt((mean**2).sum())

    def _attend(self, name: str, x: F64) -> F64:
        heads = self._linear(f"{name}.qkv", x).reshape(len(x), 3, self._shape.heads, -1)
        q, k, v = heads[:, 0], heads[:, 1], heads[:, 2]
        scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(self._shape.head_width)
        seen = np.einsum("hts,shd->thd", softmax(scores), v)
        return self._linear(f"{name}.out", seen.reshape(len(x), -1))

    def _norm(self, name: str, x: F64) -> F64:
        gamma, beta = self._weights[f"{name}.gamma"], self._weights[f"{name}.beta"]
        return layer_norm(x, gamma, beta, self._shape.epsilon)

    def _linear(self, name: str, x: F64) -> F64:
        product: F64 = x @ self._weights[f"{name}.weight"]
        return product + self._weights[f"{name}.bias"]
