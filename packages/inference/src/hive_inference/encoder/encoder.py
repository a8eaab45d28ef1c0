"""The encoder: several texts in one pass, token after token, without padding.

Layers work on all tokens at once, (R, E) with R the tokens of all texts; attention alone knows the
borders, and takes neighbours of equal length in one product.

A text's vector differs in its last bits by the texts beside it (some 1e-7): keep caches by text,
not by vector.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from hive_inference.arrays import F32, aligned_empty
from hive_inference.encoder.shape import EncoderShape
from hive_inference.kernels.gelu import twice_gelu_erf
from hive_inference.kernels.norms import layer_norm
from hive_inference.weights import Weights

__all__ = ["Encoder"]


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: F32
    bias: F32

    def __call__(self, x: F32, out: F32) -> F32:
        np.matmul(x, self.weight, out=out)
        out += self.bias
        return out


@dataclass(frozen=True, slots=True)
class _Norm:
    gamma: F32
    beta: F32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    qkv: _Linear
    out: _Linear
    norm1: _Norm
    up: _Linear
    down: _Linear
    norm2: _Norm


class Encoder:
    """An encoder with its buffers. Not for several threads at once."""

    def __init__(self, folded: Weights, shape: EncoderShape, *, max_tokens: int) -> None:
        """Take weights as `folding` makes them, and make room for `max_tokens` in a pass.

        Raises:
            WeightsError: a tensor is missing or has another shape.
        """
        self.shape = shape
        self.max_tokens = max_tokens
        width = shape.width
        self._embedding = folded.take("embedding", shape.vocabulary, width)
        self._positions = folded.take("positions", shape.context, width)
        self._entry = _norm(folded, "entry", width)
        self._layers = [_layer(folded, f"layers.{i}", shape) for i in range(shape.layers)]
        self._means = np.full(width, 1.0 / width, np.float32)
        self._x = aligned_empty(max_tokens, width)
        self._fused = aligned_empty(max_tokens, 3 * width)
        self._attended = aligned_empty(max_tokens, width)
        self._added = aligned_empty(max_tokens, width)
        self._up = aligned_empty(max_tokens, shape.feed_forward)
        self._scratch = aligned_empty(128, shape.feed_forward)
        self._lengths = aligned_empty(max_tokens)

    def encode(self, texts: Sequence[Sequence[int]]) -> F32:
        """Return each text's vector: the mean of its tokens' last states, of length 1.

        Shapes:
            texts: B of them, each of 1 to C tokens; together at most `max_tokens`
            returns: (B, E)

        Raises:
            ValueError: a text is empty or too long, or they are too many together.

        Source: Reimers and Gurevych, Sentence-BERT, 2019, section 3 (mean pooling).
        """
        lengths = [len(text) for text in texts]
        if not all(1 <= length <= self.shape.context for length in lengths):
            raise ValueError(f"a text has 1 to {self.shape.context} tokens, not {lengths}")
        if sum(lengths) > self.max_tokens:
            raise ValueError(f"{sum(lengths)} tokens do not fit into {self.max_tokens}")
        x = self._enter(texts)
        for layer in self._layers:
            layer.qkv(x, self._fused[: len(x)])
            for rows, count, length in _runs(lengths):
                self._attend(rows, count, length)
            x += layer.out(self._attended[: len(x)], self._added[: len(x)])
            self._normalise(x, layer.norm1)
            inner = layer.up(x, self._up[: len(x)])
            twice_gelu_erf(inner, self._scratch)
            x += layer.down(inner, self._added[: len(x)])
            self._normalise(x, layer.norm2)
        return _pooled(x, lengths)

    def _enter(self, texts: Sequence[Sequence[int]]) -> F32:
        tokens = np.concatenate([np.asarray(text) for text in texts])
        x = self._x[: len(tokens)]
        np.take(self._embedding, tokens, axis=0, out=x, mode="clip")
        x += self._positions[np.concatenate([np.arange(len(text)) for text in texts])]
        self._normalise(x, self._entry)
        return x

    def _attend(self, rows: slice, count: int, length: int) -> None:
        """Attend within `count` texts of equal length.

        Source: Vaswani et al., Attention Is All You Need, 2017, equation 1.
        """
        heads, width = self.shape.heads, self.shape.head_width
        fused = self._fused[rows].reshape(count, length, 3, heads, width)
        queries, keys, values = fused.transpose(2, 0, 3, 1, 4)  # (B, H, T, D) each
        scores: F32 = queries @ keys.swapaxes(-1, -2)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        attended = self._attended[rows].reshape(count, length, heads, width).transpose(0, 2, 1, 3)
        np.matmul(scores, values, out=attended)
        attended /= scores.sum(axis=-1, keepdims=True)

    def _normalise(self, x: F32, norm: _Norm) -> None:
        layer_norm(
            x,
            norm.gamma,
            norm.beta,
            mean_weights=self._means,
            lengths=self._lengths[: len(x)],
            epsilon=self.shape.epsilon,
        )


def _layer(folded: Weights, name: str, shape: EncoderShape) -> _Layer:
    width = shape.width
    return _Layer(
        qkv=_linear(folded, f"{name}.qkv", width, 3 * width),
        out=_linear(folded, f"{name}.out", width, width),
        norm1=_norm(folded, f"{name}.norm1", width),
        up=_linear(folded, f"{name}.up", width, shape.feed_forward),
        down=_linear(folded, f"{name}.down", shape.feed_forward, width),
        norm2=_norm(folded, f"{name}.norm2", width),
    )


def _linear(folded: Weights, name: str, inputs: int, outputs: int) -> _Linear:
    return _Linear(
        folded.take(f"{name}.weight", inputs, outputs), folded.take(f"{name}.bias", outputs)
    )


def _norm(folded: Weights, name: str, width: int) -> _Norm:
    return _Norm(folded.take(f"{name}.gamma", width), folded.take(f"{name}.beta", width))


def _runs(lengths: Sequence[int]) -> Iterator[tuple[slice, int, int]]:
    """Yield (rows, texts, length of each) of neighbours of equal length."""
    start = 0
    for length, run in groupby(lengths):
        count = len(list(run))
        yield slice(start, start + count * length), count, length
        start += count * length


def _pooled(x: F32, lengths: Sequence[int]) -> F32:
    starts = np.cumsum([0, *lengths[:-1]])
    # A sum points where the mean points; its length does not matter.
    vectors = np.add.reduceat(x, starts, axis=0)
    vectors /= np.sqrt(np.vecdot(vectors, vectors))[:, None]
    return vectors
