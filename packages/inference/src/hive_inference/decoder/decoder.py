"""The decoder: every sequence a token further, or one sequence by a piece of its prompt.

A token's logits are the same to the last bit whatever slot its sequence has and whatever others
are in the batch, with one BLAS thread:

- linear layers multiply every row in the same way, whatever rows it is with (`kernels.linear`);
- attention is a product of one row for each sequence and head, over columns that are hidden beyond
  the sequence's end: their weights are exactly 0, and adding 0 changes no bit (`kernels.softmax`);
- where the weights of a row have lost digits, because its scores are far from zero, all rows go
  through once more, and those that have lost none get the same bits;
- a prompt goes through alone, in pieces of `piece` tokens that begin where it begins.

Everything else that a step writes lies in buffers that are made once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hive_inference.arrays import F32, I64, aligned_empty, aligned_zeros, with_ones
from hive_inference.decoder.cache import Cache
from hive_inference.decoder.rotary import Rotation
from hive_inference.decoder.shape import Activation, DecoderShape, Positions
from hive_inference.decoder.views import FirstRows, Views
from hive_inference.kernels.gated import gate_with_silu
from hive_inference.kernels.gelu import gelu_erf, gelu_tanh
from hive_inference.kernels.linear import TILE, Linear, Plan
from hive_inference.kernels.norms import Normalise
from hive_inference.kernels.softmax import (
    FOUR,
    GROUP,
    exponentiate,
    exponentiate_carefully,
    has_lost,
)
from hive_inference.weights import Weights

__all__ = ["PIECE", "ROWS", "Decoder", "layer_sizes"]

PIECE = 32
"""Tokens of a prompt that go through together: the others wait for no more than these."""

ROWS = (1, 8, PIECE)
"""What plans are made for: one text, some at once, a piece of a prompt."""


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: Linear
    out: Linear
    up: Linear
    down: Linear


def layer_sizes(shape: DecoderShape) -> set[tuple[int, int]]:
    """Return (inputs, outputs) of every linear layer, for which plans are needed."""
    return {
        (shape.width, shape.fused_width),
        (shape.query_width, shape.width),
        (shape.width, shape.up_width),
        (shape.feed_forward, shape.width),
        (shape.width, shape.head_outputs),
    }


class Decoder:
    """A decoder with its slots. Not for several threads at once."""

    def __init__(
        self,
        folded: Weights,
        shape: DecoderShape,
        *,
        slots: int,
        plans: Mapping[tuple[int, int], Plan],
    ) -> None:
        """Take weights as `folding` makes them.

        Args:
            folded: the weights, laid out by the plans.
            shape: their sizes.
            slots: sequences that there is room for.
            plans: for each of `layer_sizes`.

        Raises:
            WeightsError: a tensor is missing or has another shape.
        """
        self.shape = shape
        self.cache = Cache(shape, slots)
        self._embedding = folded.take("embedding", shape.vocabulary, shape.width)
        self._positions: F32 | None = None
        if shape.positions is Positions.LEARNED:
            self._positions = folded.take("positions", shape.context, shape.width)
        self._rotation: Rotation | None = None
        if shape.positions is Positions.ROTARY:
            self._rotation = Rotation(
                context=shape.context, head_width=shape.head_width, base=shape.rotary_base
            )
        self._exponentiate = exponentiate
        self._make_buffers(-(-max(slots, PIECE) // TILE) * TILE)
        self._layers = [self._layer(folded, f"layers.{i}", plans) for i in range(shape.layers)]
        head = (shape.width, shape.head_outputs)
        self._head = _linear(folded, "head", plans[head], self._normal, self._output)

    @np.errstate(over="ignore", invalid="ignore")
    def decode(self, tokens: I64) -> F32:
        """Append a token to each of the first sequences; return what may come next.

        Shapes:
            tokens: (R,), for slots 0 to R - 1
            returns: (R, V), overwritten by the next call

        Raises:
            ValueError: the context of one of the sequences is full.
        """
        rows = len(tokens)
        positions, horizon = self.cache.extend_first(rows)
        if self._views.rows != rows or self._views.horizon != horizon:
            self._views = self._look(rows, horizon)
        self._extend(tokens, positions)
        if self._exponentiate is exponentiate and has_lost(self._views.all_sums):
            # Where nothing was lost, the same bits are written once more. A model whose scores are
            # so far from zero has them so again.
            self._exponentiate = exponentiate_carefully
            self._extend(tokens, positions)
        return self._logits(self._first[rows])

    @np.errstate(over="ignore")
    def prefill(self, slot: int, tokens: I64) -> F32:
        """Append a piece of a prompt to one sequence; return what may come after its last token.

        Shapes:
            tokens: (T,), 1 to PIECE of them
            returns: (V,), overwritten by the next call

        Raises:
            ValueError: the context would overflow.
        """
        count = len(tokens)
        start = int(self.cache.lengths[slot])
        self.cache.extend(slot, count)
        positions = np.arange(start, start + count)
        first = self._first[count]
        self._enter(first, tokens, positions)
        turns = self._rotation.at(positions) if self._rotation else None
        for number, layer in enumerate(self._layers):
            self._project(layer, first, turns)
            heads = first.heads
            keys, values = self.cache.both[number, :, slot]
            new = heads.swapaxes(0, 1)
            keys[:, start : start + count] = new[self.shape.heads : -self.shape.kv_heads]
            values[:, start : start + count] = new[-self.shape.kv_heads :]
            self._attend_causally(heads, keys[:, : start + count], values[:, : start + count])
            self._finish(layer, first)
        first.x[0] = first.x[count - 1]
        return self._logits(self._first[1])[0]

    def _layer(self, folded: Weights, name: str, plans: Mapping[tuple[int, int], Plan]) -> _Layer:
        def linear(part: str, x: F32, out: F32) -> Linear:
            size = (x.shape[1] - 1, out.shape[1])
            return _linear(folded, f"{name}.{part}", plans[size], x, out)

        return _Layer(
            qkv=linear("qkv", self._normal, self._fused),
            out=linear("out", self._attended, self._added),
            up=linear("up", self._normal, self._up),
            down=linear("down", self._activated, self._added),
        )

    def _make_buffers(self, rows: int) -> None:
        # Zeros: rows that only fill up a product must hold numbers.
        shape = self.shape
        self._x = aligned_zeros(rows, shape.width)
        self._normal = with_ones(rows, shape.width)
        self._fused = aligned_zeros(rows, shape.fused_width)
        self._attended = with_ones(rows, shape.query_width)
        self._activated = with_ones(rows, shape.feed_forward)
        self._up = self._activated[:, :-1]
        if shape.activation is Activation.GATED_SILU:
            self._up = aligned_zeros(rows, shape.up_width)
        self._added = aligned_zeros(rows, shape.width)
        self._output = aligned_zeros(rows, shape.head_outputs)
        self._scratch = aligned_empty(128, shape.feed_forward)
        columns = self.cache.hidden.shape[1]
        self._scores = aligned_zeros(rows * shape.heads * columns)
        self._sums = aligned_empty(shape.layers, rows * shape.heads)
        self._ones = np.ones((columns, 1), np.float32)
        self._places = np.arange(rows)
        self._first = [self._look_at(count) for count in range(rows + 1)]
        self._views = self._look(1, GROUP)

    def _look_at(self, rows: int) -> FirstRows:
        """Return the first rows of the buffers."""
        shape, x = self.shape, self._x[:rows]
        heads = self._fused[:rows].reshape(rows, shape.heads + 2 * shape.kv_heads, shape.head_width)
        return FirstRows(
            rows=rows,
            x=x,
            normalise=Normalise(x, self._normal[:rows, :-1], shape.width * shape.epsilon),
            heads=heads,
            turned=heads[:, : shape.heads + shape.kv_heads],
            added=self._added[:rows],
            up=self._up[:rows],
            activated=self._activated[:rows, :-1],
            logits=self._output[:rows, : shape.vocabulary],
        )

    def _extend(self, tokens: I64, positions: I64) -> None:
        """Take the first sequences through all layers by one token each."""
        views, first = self._views, self._first[len(tokens)]
        self._enter(first, tokens, positions)
        turns = self._rotation.at(positions) if self._rotation else None
        for number, layer in enumerate(self._layers):
            self._project(layer, first, turns)
            views.both[number][:, views.places, :, positions] = views.new
            self._attend_each(views, number)
            self._finish(layer, first)

    def _enter(self, first: FirstRows, tokens: I64, positions: I64) -> None:
        self._embedding.take(tokens, axis=0, out=first.x, mode="clip")
        if self._positions is not None:
            np.add(first.x, self._positions.take(positions, axis=0), out=first.x)

    def _project(self, layer: _Layer, first: FirstRows, turns: tuple[F32, F32] | None) -> None:
        """Write queries, keys and values of the new positions to `first.heads`."""
        first.normalise()
        layer.qkv(first.rows)
        if turns is not None and self._rotation is not None:
            self._rotation.turn(first.turned, turns)

    def _look(self, rows: int, horizon: int) -> Views:
        """Return what attention with one new position of each sequence looks at."""
        shape = self.shape
        groups, width = shape.kv_heads, shape.head_width
        shared = shape.heads // groups
        fused = self._fused[:rows]
        count = rows * shape.heads
        fours = -(-count // FOUR)
        scores, sums = self._scores[: count * horizon], self._sums[:, : fours * FOUR]
        attended = self._attended[:rows, :-1].reshape(rows, groups, shared, 1, width)
        # (L, 2, R, G, 1, T, D): each head of keys is shared by some of queries.
        seen = self.cache.both[:, :, :rows, :, None, :horizon]
        return Views(
            rows=rows,
            horizon=horizon,
            places=self._places[:rows],
            both=list(self.cache.both),
            new=fused[:, shape.query_width :].reshape(rows, 2, groups, width),
            queries=fused[:, : shape.query_width].reshape(rows, groups, shared, 1, width),
            keys=list(seen[:, 0].swapaxes(-1, -2)),
            values=list(seen[:, 1]),
            scores=scores.reshape(rows, groups, shared, 1, horizon),
            by_row=scores.reshape(rows, shape.heads, horizon),
            by_fours=self._scores[: fours * FOUR * horizon].reshape(fours, FOUR, horizon),
            hidden=self.cache.hidden[:rows, None, :horizon],
            sums=[each.reshape(fours, FOUR, 1) for each in sums],
            sums_by_head=[each[:count].reshape(rows, groups, shared, 1, 1) for each in sums],
            all_sums=self._sums[:, :count],
            ones=self._ones[:horizon],
            attended=attended,
        )

    def _attend_each(self, views: Views, layer: int) -> None:
        """Attend with one new position of each sequence.

        A product of one row for each head, also where heads share keys: its bits do not depend on
        how many columns there are, which is not so of products of several rows.
        """
        np.matmul(views.queries, views.keys[layer], out=views.scores)
        np.add(views.by_row, views.hidden, out=views.by_row)
        self._exponentiate(views.by_fours, views.sums[layer], views.ones)
        np.matmul(views.scores, views.values[layer], out=views.attended)
        np.divide(views.attended, views.sums_by_head[layer], out=views.attended)

    def _attend_causally(self, heads: F32, keys: F32, values: F32) -> None:
        """Attend with several new positions of one sequence, each seeing those up to itself.

        Shapes:
            heads: (T, H + 2 G, D), the queries first
            keys, values: (G, C, D), the cache first, then the new positions
        """
        count, (groups, total, width) = len(heads), keys.shape
        shared = self.shape.heads // groups
        queries = heads[:, : self.shape.heads].reshape(count, groups, shared, width)
        scores: F32 = queries.transpose(1, 2, 0, 3) @ keys[:, None].swapaxes(-1, -2)
        scores[..., ~np.tri(count, total, total - count, dtype=np.bool_)] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        attended = scores @ values[:, None]  # (G, H / G, T, D)
        self._attended[:count, :-1] = attended.transpose(2, 0, 1, 3).reshape(count, -1)

    def _finish(self, layer: _Layer, first: FirstRows) -> None:
        """Take the rest of a layer, from what attention has found to the residual stream."""
        x, rows = first.x, first.rows
        layer.out(rows)
        np.add(x, first.added, out=x)
        first.normalise()
        layer.up(rows)
        match self.shape.activation:
            case Activation.GELU_TANH:
                gelu_tanh(first.up, self._scratch)
            case Activation.GELU_ERF:
                gelu_erf(first.up, self._scratch)
            case Activation.GATED_SILU:
                gate_with_silu(first.up, first.activated)
        layer.down(rows)
        np.add(x, first.added, out=x)

    def _logits(self, first: FirstRows) -> F32:
        first.normalise()
        self._head(first.rows)
        return first.logits


def _linear(folded: Weights, name: str, plan: Plan, x: F32, out: F32) -> Linear:
    """Take a layer's weights, which have a bias or not."""
    inputs, outputs = x.shape[1] - 1, out.shape[1]
    taken = folded.shape(f"{name}.weight")[1:2]
    if taken != (inputs + 1,):
        taken = (inputs,)
    weight = folded.take(f"{name}.weight", outputs // plan.panel, *taken, plan.panel)
    return Linear(weight, plan, x, out)
