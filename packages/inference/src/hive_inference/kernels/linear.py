"""Linear layers at the speed of the processor for few rows, and a row's bits are always the same.

OpenBLAS packs both operands before it multiplies, unless rows * inputs * outputs are at most a
million (its pull request 3335); for a handful of rows the packing costs more than the product. So
weights are laid out in advance, in panels of some outputs each, and rows go through in tiles of
four, such that a product of a tile and a panel stays below that limit. A panel is read once, from
its first number to its last, as fast as memory gives it:

    weight (K, N)          panels (P, K, W), N = P W
    ┌──┬──┬──┐             ┌──┐┌──┐┌──┐
    │  │  │  │     ──▶     │  ││  ││  │        out[tile, panel] = x[tile] @ panel
    └──┴──┴──┘             └──┘└──┘└──┘

Four rows of 768 numbers times (768, 3072) take 183 microseconds so, 52 GB/s, against 627 for the
whole matrix; 32 rows take 1.4 ms against 2.2, and 128 rows of 384 times (384, 1536) run at 114
GFLOP/s against 101 (one core of an AMD EPYC with AVX-512, November 2026).

A bias is a panel's last row, multiplied by a one behind each row of x: it costs no pass of its own.

A row's result does not depend on how many rows there are, because every product of a layer has the
same sizes: more rows are more products, and where four are not full, others fill them up. It does
not depend on the row's place among the four either, since they go through the same instructions
side by side, as long as outputs fill whole registers; that they do is tried out when a layer is
planned. Where outputs do not fill registers, or places differ, each row is a product of its own.

So it is, too, where that is faster: OpenBLAS leaves out the packing only on processors with
AVX-512. On others a row alone, a vector times a panel, takes a third to a fifth of the time of
four, and 8 or 32 rows take as long one by one as in fours (128 to 384 numbers, 1 and 8 rows: 6 and
26 microseconds against 20 and 35; one core of an AMD EPYC with AVX2, November 2026).

Who needs no such bits, as an encoder, may also have all rows in one product, which packs once:
128 rows of 384 times (384, 1536) run at 87 GFLOP/s so, against 35 in fours (the same machine).

Tiles as large as rows allow would gain 2 to 8 % for 8 to 32 rows, and lose a row's bits.
Which panel and tile are fastest depends on the shape, on the machine, and on how many rows there
will be, so it is measured.

Holds with one BLAS thread; with more, OpenBLAS divides its sums as it finds time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hive_inference.arrays import F32, F64, aligned_empty, aligned_zeros, with_ones

__all__ = ["TILE", "Linear", "Plan", "lay_out", "multiply", "tune"]

TILE: Final = 4
"""Rows of a product: what the kernels of OpenBLAS take side by side."""

_WHOLE_REGISTERS: Final = 16
_COMPARED_ROWS: Final = 64
_TRIALS: Final = 7
_TIMED_OUTPUTS: Final = 4096
"""A wider layer only has more panels."""

_EVICTING_NUMBERS: Final = 2_000_000
"""More than the caches have room for that are a core's own: a model's other layers come between."""

_MOST_EVICTING_NUMBERS: Final = 16_000_000
"""More than any cache has room for: a head of a large vocabulary is always read from memory."""

_PANELS: Final = (32, 64, 128, 512)
_TILES: Final = (TILE, 1, None)

_NEARLY: Final = 1.05
"""A plan has to be so much faster than one before it: the first has the widest panels, of which
memory gives 21 GB/s where it gives 10 to 17 of narrow ones (AVX2, one row, November 2026), and a
layer that is tried out lies in the third cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a layer of one shape multiplies."""

    panel: int
    """Outputs that lie together; the layer's number of outputs is a multiple."""

    tile: int | None
    """Rows of each product, `TILE` or 1; None for all rows in one."""

    def padded(self, rows: int) -> int:
        """Return how many rows go through where `rows` are wanted."""
        return rows if self.tile is None else -(-rows // self.tile) * self.tile


class Linear:
    """A layer x W + b between two buffers, for any number of rows that they have room for."""

    def __init__(self, weight: F32, plan: Plan, x: F32, out: F32) -> None:
        """Prepare the products; no copy is made.

        Shapes:
            weight: (P, K, W), as `lay_out` makes it, with a bias (P, K + 1, W)
            x: (R, K + 1), the last column ones, R a multiple of `TILE`
            out: (R, N)
        """
        self._products = [
            _product(x[: plan.padded(rows)], weight, out[: plan.padded(rows)], plan)
            for rows in range(len(x) + 1)
        ]

    def __call__(self, rows: int) -> None:
        """Write the layer's outputs for the first `rows` rows; some beyond may change too."""
        x, weight, out = self._products[rows]
        np.matmul(x, weight, out=out)


def multiply(x: F32, weight: F32, out: F32, plan: Plan) -> None:
    """Write x W + b to `out`.

    Shapes:
        x: (R, K + 1), the last column ones, R a multiple of the plan's tile
        weight: (P, K, W), with a bias (P, K + 1, W)
        out: (R, N)
    """
    x, weight, out = _product(x, weight, out, plan)
    np.matmul(x, weight, out=out)


def lay_out(folded: Mapping[str, F32], plans: Mapping[tuple[int, int], Plan]) -> Mapping[str, F32]:
    """Return folded tensors with their matrices in panels, and in these their biases.

    Args:
        folded: among others `NAME.weight` (K, N) and, for some of them, `NAME.bias` (N,).
        plans: by (K, N), for each of the matrices.
    """
    laid: dict[str, F32] = {}
    for name, tensor in folded.items():
        layer, _, part = name.rpartition(".")
        if part == "weight":
            laid[name] = _panels(tensor, folded.get(f"{layer}.bias"), plans[tensor.shape].panel)
        elif part != "bias":
            laid[name] = tensor
    return laid


def tune(
    inputs: int,
    outputs: int,
    rows: Sequence[int],
    *,
    same_bits: bool,
    clock: Callable[[], float] = time.perf_counter,
) -> Plan:
    """Return the fastest plan.

    Args:
        inputs: K.
        outputs: N.
        rows: how many there may be: each number counts as much as the others.
        same_bits: whether a row must have the same bits in every company.
        clock: seconds, to measure with.
    """
    draw = np.random.Generator(np.random.Philox(key=inputs * outputs))
    widest = max(p for p in range(1, min(outputs, _TIMED_OUTPUTS) + 1) if outputs % p == 0)
    width = min(outputs, _TIMED_OUTPUTS)
    most = -(-max(_COMPARED_ROWS, *rows) // TILE) * TILE
    x = with_ones(most, inputs)
    x[:, :-1] = draw.standard_normal((most, inputs), dtype=np.float32)
    weight = draw.standard_normal((inputs, width), dtype=np.float32)
    bias = draw.standard_normal(width, dtype=np.float32)
    panels = [widest, *(p for p in _PANELS if p < widest and outputs % p == 0)]
    whole = {panel: width // panel * panel for panel in panels}
    laid = {p: _panels(weight[:, :count], bias[:count], p) for p, count in whole.items()}
    plans = [
        plan
        for plan in (Plan(panel=panel, tile=tile) for panel in panels for tile in _TILES)
        if not same_bits or _is_exact(x, laid[plan.panel], plan)
    ]
    evicting = max(_EVICTING_NUMBERS, min(inputs * outputs, _MOST_EVICTING_NUMBERS))
    seconds = _times(
        x, [laid[plan.panel] for plan in plans], plans, rows, evicting=evicting, clock=clock
    )
    slowness = (seconds / seconds.min(axis=0)).sum(axis=1)
    return plans[int((slowness <= _NEARLY * slowness.min()).argmax())]


def _panels(weight: F32, bias: F32 | None, panel: int) -> F32:
    inputs, outputs = weight.shape
    taken = inputs if bias is None else inputs + 1
    panels = aligned_empty(outputs // panel, taken, panel)
    panels[:, :inputs] = weight.reshape(inputs, -1, panel).transpose(1, 0, 2)
    if bias is not None:
        panels[:, inputs] = bias.reshape(-1, panel)
    return panels


def _product(x: F32, weight: F32, out: F32, plan: Plan) -> tuple[F32, F32, F32]:
    """Return what goes into one call of matmul: x, weight, out.

    A panel goes through all tiles before the next one comes, so that it stays in the cache.
    """
    panels, taken, width = weight.shape
    tiles, tile = (1, len(x)) if plan.tile is None else (len(x) // plan.tile, plan.tile)
    return (
        x[:, :taken].reshape(tiles, tile, taken),
        weight[:, None],
        out.reshape(tiles, tile, panels, width).transpose(2, 0, 1, 3),
    )


def _is_exact(x: F32, weight: F32, plan: Plan) -> bool:
    """Return whether a row's bits do not depend on the rows beside it, with a bias or without."""
    if plan.tile == 1:
        return True
    if plan.tile is None or plan.panel % _WHOLE_REGISTERS:
        return False
    x = x[:_COMPARED_ROWS]
    # A layer without a bias has one term less.
    return _places_agree(x, weight, plan) and _places_agree(x, weight[:, :-1], plan)


def _places_agree(x: F32, weight: F32, plan: Plan) -> bool:
    """Return whether a row's bits are the same in every place of four.

    Shapes:
        x: (R, K + 1)
        weight: (P, K + 1, W)
    """
    repeated = with_ones(TILE * len(x), x.shape[1] - 1)
    repeated[:] = np.repeat(x, TILE, axis=0)
    out = aligned_empty(len(repeated), weight.shape[0] * weight.shape[2])
    multiply(repeated, weight, out, plan)
    tiles = out.view(np.uint32).reshape(len(x), TILE, -1)
    return bool((tiles == tiles[:, :1]).all())


def _times(
    x: F32,
    weights: Sequence[F32],
    plans: Sequence[Plan],
    rows: Sequence[int],
    *,
    evicting: int,
    clock: Callable[[], float],
) -> F64:
    """Return the seconds per output of each plan's products of each number of rows, at best.

    The plans take turns, so that what else the machine does slows none of them alone.

    Shapes:
        returns: (plans, numbers of rows)
    """
    others = aligned_zeros(evicting)
    outputs = [weight.shape[0] * weight.shape[2] for weight in weights]
    outs = [aligned_empty(len(x), count) for count in outputs]
    best: F64 = np.full((len(plans), len(rows)), np.inf)
    for _ in range(_TRIALS):
        for i, plan in enumerate(plans):
            for j, count in enumerate(map(plan.padded, rows)):
                others += 1.0
                started = clock()
                multiply(x[:count], weights[i], outs[i][:count], plan)
                best[i, j] = min(best[i, j], (clock() - started) / outputs[i])
    return best
