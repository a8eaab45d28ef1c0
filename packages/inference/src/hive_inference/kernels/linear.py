"""Linear layers at the speed of the processor for few rows, and a row's bits are always the same.

OpenBLAS packs both operands before it multiplies, unless rows * inputs * outputs are at most a
million (its pull request 3335); for a handful of rows the packing costs more than the product. So
weights are laid out in advance, in panels of some outputs each, and rows go through in tiles, such
that a product of a tile and a panel stays below that limit. A panel is read once, from its first
number to its last, as fast as memory gives it:

    weight (K, N)          panels (P, K, W), N = P W
    ┌──┬──┬──┐             ┌──┐┌──┐┌──┐
    │  │  │  │     ──▶     │  ││  ││  │        out[tile, panel] = x[tile] @ panel
    └──┴──┴──┘             └──┘└──┘└──┘

Two rows of 768 numbers times (768, 3072) take 309 microseconds so, 30 GB/s, against 1181 for the
whole matrix; 32 rows take 1.4 ms against 2.5, and 128 rows of 384 times (384, 1536) run at 115
GFLOP/s against 95 (one core of an AMD EPYC with AVX-512, November 2026).

A bias is a panel's last row, multiplied by a one behind each row of x: it costs no pass of its own.

Which panel and tile are fastest depends on the shape and on the machine, so it is measured. The
ways differ in the order in which they add, hence in the last bits. A row's result must not depend
on how many rows it shares a product with, so a plan is one way whose products give a row the same
bits for every number of rows; that they do is tried out on random rows, in several places. A
product of one row would go another way (gemv), so there is none: two rows are the least.

Holds with one BLAS thread; with more, OpenBLAS divides its sums as it finds time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hive_inference.arrays import F32, F64, aligned_empty

__all__ = ["MOST_TILE", "Linear", "Plan", "lay_out", "multiply", "tune"]

MIN_ROWS: Final = 2
MOST_TILE: Final = 32
_COUNTS: Final = (2, 4, 8, 16, MOST_TILE)
"""Numbers of rows that are tried out."""

_UNPACKED_PRODUCTS: Final = 1_000_000
_TRIALS: Final = 7
_COMPARED_OUTPUTS: Final = 2048
_COMPARED_TERMS: Final = 1_000_000
_MOST_DRAWS: Final = 150
"""With fewer, two orders of adding would agree by chance, as sums of few terms often do."""

_TIMED_OUTPUTS: Final = 4096
"""A wider layer only has more panels."""

_PANELS: Final = (32, 64, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a layer of one shape multiplies."""

    panel: int
    """Outputs that lie together; the layer's number of outputs is a multiple."""

    tile: int
    """Most rows of a product: a power of two."""

    is_exact: bool = True
    """Whether a row's bits are the same for every number of rows, as far as was tried."""

    def padded(self, rows: int) -> int:
        """Return how many rows go through where `rows` are wanted."""
        if rows > self.tile:
            return -(-rows // self.tile) * self.tile
        padded = MIN_ROWS
        while padded < rows:
            padded *= 2
        return padded


class Linear:
    """A layer x W + b between two buffers, for any number of rows that they have room for."""

    def __init__(self, weight: F32, plan: Plan, x: F32, out: F32) -> None:
        """Prepare the products; no copy is made.

        Shapes:
            weight: (P, K, W), as `lay_out` makes it, with a bias (P, K + 1, W)
            x: (R, K + 1), the last column ones
            out: (R, N), R as the plan pads it
        """
        taken = x[:, : weight.shape[1]]
        self._products = [_product(taken, weight, out, plan, rows) for rows in range(len(x) + 1)]

    def __call__(self, rows: int) -> None:
        """Write the layer's outputs for the first `rows` rows; some beyond may change too."""
        x, weight, out = self._products[rows]
        np.matmul(x, weight, out=out)


def multiply(x: F32, weight: F32, out: F32, plan: Plan) -> None:
    """Write x W + b to `out`.

    Shapes:
        x: (R, K + 1), the last column ones; R as the plan pads it
        weight: (P, K, W), with a bias (P, K + 1, W)
        out: (R, N)
    """
    x, weight, out = _product(x[:, : weight.shape[1]], weight, out, plan, len(x))
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
            laid[name] = _panels(tensor, folded.get(f"{layer}.bias"), plans[tensor.shape])
        elif part != "bias":
            laid[name] = tensor
    return laid


def tune(inputs: int, outputs: int, clock: Callable[[], float] = time.perf_counter) -> Plan:
    """Return the plan that is fastest, all numbers of rows up to `MOST_TILE` counting alike.

    Args:
        inputs: K.
        outputs: N.
        clock: seconds, to measure with.
    """
    draw = np.random.Generator(np.random.Philox(key=inputs * outputs))
    width = min(outputs, _TIMED_OUTPUTS)
    draws = min(_MOST_DRAWS, -(-_COMPARED_TERMS // (inputs * width)))
    samples = draw.standard_normal((draws, 2 * MOST_TILE, inputs), dtype=np.float32)
    weight = draw.standard_normal((inputs, width), dtype=np.float32)
    plans = _plans(inputs, outputs)
    exact = [plan for plan in plans if _has_one_result(samples, weight, plan)]
    if not exact:
        return Plan(panel=outputs, tile=MIN_ROWS, is_exact=False)
    seconds = _times(samples[0], weight, exact, clock)
    slowness = (seconds / seconds.min(axis=0)).sum(axis=1)
    return exact[int(slowness.argmin())]


def _plans(inputs: int, outputs: int) -> list[Plan]:
    panels = [outputs, *(p for p in _PANELS if p < outputs and outputs % p == 0)]
    return [
        Plan(panel=panel, tile=tile)
        for panel in panels
        for tile in _COUNTS
        if panel == outputs or tile == MIN_ROWS or tile * inputs * panel <= _UNPACKED_PRODUCTS
    ]


def _panels(weight: F32, bias: F32 | None, plan: Plan) -> F32:
    inputs, outputs = weight.shape
    # The timed part of a wide layer may be narrower than its only panel.
    width = min(plan.panel, outputs)
    taken = inputs if bias is None else inputs + 1
    panels = aligned_empty(outputs // width, taken, width)
    panels[:, :inputs] = weight.reshape(inputs, -1, width).transpose(1, 0, 2)
    if bias is not None:
        panels[:, inputs] = bias.reshape(-1, width)
    return panels


def _product(x: F32, weight: F32, out: F32, plan: Plan, rows: int) -> tuple[F32, F32, F32]:
    """Return what goes into one call of matmul: x, weight, out."""
    count = min(plan.padded(rows), len(x)) if rows else 0
    panels, inputs, width = weight.shape
    x, out = x[:count], out[:count]
    tile = plan.tile
    if count <= tile:
        if panels == 1:
            return x, weight[0], out
        return x, weight, out.reshape(count, panels, width).transpose(1, 0, 2)
    tiles = x.reshape(count // tile, tile, inputs)
    # A panel goes through all tiles before the next one comes, so that it stays in the cache.
    return (
        tiles,
        weight[:, None],
        out.reshape(count // tile, tile, panels, width).transpose(2, 0, 1, 3),
    )


def _has_one_result(samples: F32, weight: F32, plan: Plan) -> bool:
    """Return whether the first row's bits are the same in every place among any number of rows.

    Shapes:
        samples: (draws, R, K)
    """
    # All panels are multiplied alike.
    several = -(-_COMPARED_OUTPUTS // plan.panel) * plan.panel
    weight = weight[:, :several]
    panels = _panels(weight, None, plan)
    counts = [count for count in _COUNTS if count <= plan.tile]
    out = aligned_empty(2 * plan.tile, weight.shape[1])
    for x in samples:
        bits: set[bytes] = set()
        for count in (*counts, 2 * plan.tile):
            for place in sorted({0, 1, 2, 3, 7, count // 2, count - 1} & set(range(count))):
                multiply(np.roll(x[:count], place, axis=0), panels, out[:count], plan)
                bits.add(out[place].tobytes())
        if len(bits) > 1:
            return False
    return True


def _times(x: F32, weight: F32, plans: Sequence[Plan], clock: Callable[[], float]) -> F64:
    """Return the seconds of each plan's products of each of `_COUNTS` rows, at best.

    The plans take turns, so that what else the machine does slows none of them alone.

    Shapes:
        returns: (plans, counts)
    """
    panels = [_panels(weight, None, plan) for plan in plans]
    out = aligned_empty(MOST_TILE, weight.shape[1])
    best: F64 = np.full((len(plans), len(_COUNTS)), np.inf)
    for _ in range(_TRIALS):
        for i, plan in enumerate(plans):
            for j, count in enumerate(_COUNTS):
                started = clock()
                multiply(x[:count], panels[i], out[:count], plan)
                best[i, j] = min(best[i, j], clock() - started)
    return best
