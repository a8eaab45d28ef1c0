"""The plain port: a GPT's papers as a few lines of numpy, the whole text anew for every token."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from inference_bench.shapes import Shape

__all__ = ["PlainPort"]

F32 = npt.NDArray[np.float32]


class PlainPort:
    """A decoder of characters, float32, no cache, no buffers."""

    def __init__(self, weights: Mapping[str, F32], shape: Shape) -> None:
        self.weights = weights
        self.shape = shape

    def next_token(self, tokens: list[int]) -> int:
        """Return the likeliest token after `tokens`."""
        x = self.weights["embedding"][tokens] + self.weights["positions"][: len(tokens)]
        for number in range(self.shape.layers):
            name = f"layers.{number}"
            x = x + self._attend(name, self._norm(f"{name}.norm1", x))
            inner = self._linear(f"{name}.up", self._norm(f"{name}.norm2", x))
            cubic = inner + np.float32(0.044715) * inner**3
            inner = np.float32(0.5) * inner * (1 + np.tanh(np.float32(0.7978845608) * cubic))
            x = x + self._linear(f"{name}.down", inner)
        return int(self._linear("head", self._norm("final", x))[-1].argmax())

    def _attend(self, name: str, x: F32) -> F32:
        count, heads = len(x), self.shape.heads
        fused = self._linear(f"{name}.qkv", x).reshape(count, 3, heads, -1)
        queries, keys, values = fused.transpose(1, 2, 0, 3)
        scores = queries @ keys.swapaxes(-1, -2) / np.float32(np.sqrt(queries.shape[-1]))
        scores = np.where(np.tri(count, dtype=np.bool_), scores, np.float32(-1e9))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = weights / weights.sum(axis=-1, keepdims=True)
        seen = (weights @ values).transpose(1, 0, 2).reshape(count, -1)
        return self._linear(f"{name}.out", seen)

    def _norm(self, name: str, x: F32) -> F32:
        mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        normal = (x - mean) / np.sqrt(variance + np.float32(1e-5))
        return normal * self.weights[f"{name}.gamma"] + self.weights[f"{name}.beta"]

    def _linear(self, name: str, x: F32) -> F32:
        return x @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
