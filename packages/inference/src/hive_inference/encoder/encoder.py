"""The encoder: several texts in one pass, token after token, without padding.

Layers work on all tokens at once, (R, E) with R the tokens of all texts; attention alone knows the
borders, and takes neighbours of equal length in one product. Where rows go through products in
tiles, what follows attention goes through the rest of its layer in blocks of rows, so that a block
stays in the cache from its first product to its last norm. Products of all rows pack the weights
each time, so there a pass is one block: 512 rows take 9 % less time than four times 128, with
two threads 15 % (AVX2, November 2026).

A text's vector differs in its last bits by the texts beside it (some 1e-7): keep caches by text,
not by vector.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from hive_inference.arrays import F32, aligned_empty, aligned_zeros, ones_behind, with_ones
from hive_inference.encoder.shape import EncoderShape
from hive_inference.kernels.gelu import gelu_erf
from hive_inference.kernels.linear import TILE, Plan, multiply
from hive_inference.kernels.norms import layer_norm
from hive_inference.kernels.softmax import exponentiate, exponentiate_carefully, has_lost
from hive_inference.weights import Weights

__all__ = ["ROWS", "Encoder", "layer_sizes"]

_BLOCK_ROWS: Final = 128
"""Of MiniLM's inner layer so many rows take 0.8 MB."""

ROWS: Final = (16, _BLOCK_ROWS)
"""What plans are made for: a short text, a block of many."""


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: F32
    plan: Plan

    def __call__(self, x: F32, out: F32) -> None:
        multiply(x, self.weight, out, self.plan)


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


def layer_sizes(shape: EncoderShape) -> set[tuple[int, int]]:
    """Return (inputs, outputs) of every linear layer, for which plans are needed."""
    return {
        (shape.width, 3 * shape.width),
        (shape.width, shape.width),
        (shape.width, shape.feed_forward),
        (shape.feed_forward, shape.width),
    }


class Encoder:
    """An encoder with its buffers. Not for several threads at once."""

    def __init__(
        self,
        folded: Weights,
        shape: EncoderShape,
        *,
        max_tokens: int,
        plans: Mapping[tuple[int, int], Plan],
    ) -> None:
        """Take weights as `folding` makes them, and make room for `max_tokens` in a pass.

        Args:
            folded: the weights, laid out by the plans.
            shape: their sizes.
            max_tokens: most tokens of a pass.
            plans: for each of `layer_sizes`.

        Raises:
            WeightsError: a tensor is missing or has another shape.
        """
        self.shape = shape
        self.max_tokens = max_tokens
        width, inner = shape.width, shape.feed_forward
        self._embedding = folded.take("embedding", shape.vocabulary, width)
        self._positions = folded.take("positions", shape.context, width)
        self._entry = _norm(folded, "entry", width)
        self._layers = [_layer(folded, f"layers.{i}", shape, plans) for i in range(shape.layers)]
        self._means = np.full((width, 1), 1.0 / width, np.float32)
        self._ones = np.ones((shape.context, 1), np.float32)
        self._margin = width * shape.epsilon
        # Zeros: rows that only fill up a product must hold numbers.
        rows = _padded(max_tokens)
        takes_all = all(plan.tile is None for plan in plans.values())
        self._block = rows if takes_all else _BLOCK_ROWS
        self._stream = ones_behind(rows, width)
        self._x = self._stream[:, : width + 1]
        self._fused = aligned_zeros(rows, 3 * width)
        self._attended = with_ones(rows, width)
        self._added = aligned_zeros(self._block, self._stream.shape[1])
        self._up = ones_behind(self._block, inner)
        self._scratch = aligned_empty(128, self._up.shape[1])
        self._lengths = aligned_empty(max_tokens, 1)
        self._scores = aligned_empty(0)

    @np.errstate(over="ignore", invalid="ignore")
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
        count = sum(lengths)
        self._enter(texts)
        for layer in self._layers:
            for start in range(0, _padded(count), self._block):
                rows = slice(start, min(start + self._block, _padded(count)))
                layer.qkv(self._x[rows], self._fused[rows])
            for rows, texts_alike, length in _runs(lengths):
                self._attend(rows, texts_alike, length)
            for start in range(0, count, self._block):
                self._finish(layer, start, min(self._block, count - start))
        return _pooled(self._x[:count, :-1], lengths)

    def _enter(self, texts: Sequence[Sequence[int]]) -> None:
        tokens = np.concatenate([np.asarray(text) for text in texts])
        x = self._x[: len(tokens), :-1]
        np.take(self._embedding, tokens, axis=0, out=x, mode="clip")
        x += self._positions[np.concatenate([np.arange(len(text)) for text in texts])]
        self._normalise(self._stream[: len(tokens)], self._entry)

    def _attend(self, rows: slice, count: int, length: int) -> None:
        """Attend within `count` texts of equal length.

        Source: Vaswani et al., Attention Is All You Need, 2017, equation 1.
        """
        heads, width = self.shape.heads, self.shape.head_width
        fused = self._fused[rows].reshape(count, length, 3, heads, width)
        queries, keys, values = fused.transpose(2, 0, 3, 1, 4)  # (B, H, T, D) each
        scores = self._room_for_scores(count, length)
        np.matmul(queries, keys.swapaxes(-1, -2), out=scores)
        sums, ones = np.empty((*scores.shape[:-1], 1), np.float32), self._ones[:length]
        exponentiate(scores, sums, ones)
        if has_lost(sums):
            np.matmul(queries, keys.swapaxes(-1, -2), out=scores)
            exponentiate_carefully(scores, sums, ones)
        attended = self._attended[rows, :-1].reshape(count, length, heads, width)
        attended = attended.transpose(0, 2, 1, 3)
        np.matmul(scores, values, out=attended)
        attended /= sums

    def _room_for_scores(self, count: int, length: int) -> F32:
        """Return a buffer, (B, H, T, T); a new one each time would cost a fifth of the product."""
        size = count * self.shape.heads * length * length
        if self._scores.size < size:
            self._scores = aligned_empty(size)
        return self._scores[:size].reshape(count, self.shape.heads, length, length)

    def _finish(self, layer: _Layer, start: int, count: int) -> None:
        """Take a block of rows through the rest of a layer, from what attention has found."""
        rows = slice(start, start + _padded(count))
        stream = self._stream[start : start + count]
        added, up = self._added[: _padded(count)], self._up[: _padded(count)]
        width, inner = self.shape.width, self.shape.feed_forward
        layer.out(self._attended[rows], added[:, :width])
        stream += added[:count]
        self._normalise(stream, layer.norm1)
        layer.up(self._x[rows], up[:, :inner])
        gelu_erf(up, self._scratch)
        up[:, inner] = 1.0
        layer.down(up[:, : inner + 1], added[:, :width])
        stream += added[:count]
        self._normalise(stream, layer.norm2)

    def _normalise(self, x: F32, norm: _Norm) -> None:
        layer_norm(
            x,
            norm.gamma,
            norm.beta,
            mean_weights=self._means,
            lengths=self._lengths[: len(x)],
            margin=self._margin,
        )


def _layer(
    folded: Weights, name: str, shape: EncoderShape, plans: Mapping[tuple[int, int], Plan]
) -> _Layer:
    def linear(part: str, inputs: int, outputs: int) -> _Linear:
        plan = plans[inputs, outputs]
        panels = (outputs // plan.panel, inputs + 1, plan.panel)
        return _Linear(folded.take(f"{name}.{part}.weight", *panels), plan)

    width, inner = shape.width, shape.feed_forward
    return _Layer(
        qkv=linear("qkv", width, 3 * width),
        out=linear("out", width, width),
        norm1=_norm(folded, f"{name}.norm1", width),
        up=linear("up", width, inner),
        down=linear("down", inner, width),
        norm2=_norm(folded, f"{name}.norm2", width),
    )


def _norm(folded: Weights, name: str, width: int) -> _Norm:
    """Take a norm's weights, and leave what stands behind a row as `ones_behind` makes it."""
    beta = ones_behind(1, width)[0]
    gamma = np.zeros_like(beta)
    gamma[:width] = folded.take(f"{name}.gamma", width)
    beta[:width] = folded.take(f"{name}.beta", width)
    return _Norm(gamma, beta)


def _padded(rows: int) -> int:
    """Return how many rows go through where `rows` are wanted: whole tiles."""
    return -(-rows // TILE) * TILE


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
