"""The plain port: a GPT as a few lines of numpy, with a cache of keys and values or without."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inference_bench.shapes import Shape

__all__ = ["PlainPort"]

F32 = npt.NDArray[np.float32]


class PlainPort:
    """A decoder of characters, float32, one text, no buffers."""

    def __init__(self, weights: Mapping[str, F32], shape: Shape) -> None:
        self.weights = weights
        self.shape = shape
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        nothing = np.zeros((self.shape.heads, 0, self.shape.width // self.shape.heads), np.float32)
        self.cache = [(nothing, nothing)] * self.shape.layers

    def generate(self, count: int) -> list[int]:
        """Return so many tokens, each drawn by its probability."""
        draw, tokens = np.random.default_rng(0), [0]
        for place in range(count):
            logits = self.logits(tokens[-1:], place)
            weights = np.exp(logits - logits.max())
            tokens.append(int(draw.choice(len(weights), p=weights / weights.sum())))
        return tokens[1:]

    def logits(self, tokens: Sequence[int], start: int = 0) -> F32:
        """Return what may come after the last of `tokens`, which stand behind what is cached."""
        places = slice(start, start + len(tokens))
        x = self.weights["embedding"][list(tokens)] + self.weights["positions"][places]
        for number in range(self.shape.layers):
            name = f"layers.{number}"
            x = x + self._attend(number, self._norm(f"{name}.norm1", x))
            inner = self._linear(f"{name}.up", self._norm(f"{name}.norm2", x))
            cubic = inner + np.float32(0.044715) * inner**3
            inner = np.float32(0.5) * inner * (1 + np.tanh(np.float32(0.7978845608) * cubic))
            x = x + self._linear(f"{name}.down", inner)
        return self._linear("head", self._norm("final", x))[-1]

    def _attend(self, number: int, x: F32) -> F32:
        count, heads = len(x), self.shape.heads
        fused = self._linear(f"layers.{number}.qkv", x).reshape(count, 3, heads, -1)
        queries, keys, values = fused.transpose(1, 2, 0, 3)
        keys = np.concatenate([self.cache[number][0], keys], axis=1)
        values = np.concatenate([self.cache[number][1], values], axis=1)
        self.cache[number] = keys, values
        total = keys.shape[1]
        scores = queries @ keys.swapaxes(-1, -2) / np.float32(np.sqrt(queries.shape[-1]))
        scores = np.where(np.tri(count, total, total - count) > 0, scores, np.float32(-1e9))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = weights / weights.sum(axis=-1, keepdims=True)
        seen = (weights @ values).transpose(1, 0, 2).reshape(count, -1)
        return self._linear(f"layers.{number}.out", seen)

    def _norm(self, name: str, x: F32) -> F32:
        mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        normal = (x - mean) / np.sqrt(variance + np.float32(1e-5))
        return normal * self.weights[f"{name}.gamma"] + self.weights[f"{name}.beta"]

    def _linear(self, name: str, x: F32) -> F32:
        return x @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
