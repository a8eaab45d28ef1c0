"""Linear layers for few rows, each multiplied in the way that was fastest here, with the same bits.

OpenBLAS packs both operands before it multiplies, unless rows * inputs * outputs are at most a
million (its pull request 3335); for a handful of rows the packing costs more than the product. So
the outputs are cut into blocks that stay below that limit. Whether it pays depends on the shape and
on the machine, so it is measured.

The ways differ in the order in which they add, hence in the last bits. A row's result must not
depend on how many rows it shares a product with, so a plan takes, for all numbers of rows, ways
that give a row the same bits; that they do is tried out on random rows, in several places. A
product of one row would go another way (gemv), so there is none: two rows are the least.

Holds with one BLAS thread; with more, OpenBLAS divides its sums as it finds time.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hive_inference.arrays import F32, aligned_empty

__all__ = ["Linear", "Plan", "Way", "multiply", "row_steps", "tune"]

MIN_ROWS: Final = 2
_UNPACKED_PRODUCTS: Final = 1_000_000
_TRIALS: Final = 7
_COMPARED_OUTPUTS: Final = 256
"""With fewer, two orders of adding would now and then agree by chance."""

_BLOCK_WIDTHS: Final = (16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """How to multiply: `tile` rows at a time, `block` outputs at a time; 0 is all at once."""

    tile: int = 0
    block: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Which way to go for up to so many rows, for one shape of layer."""

    steps: tuple[tuple[int, Way], ...]
    """(rows, way), fewest rows first. Products are of exactly one of these numbers of rows."""

    is_exact: bool
    """Whether a row's bits are the same for every number of rows, as far as was tried."""

    def step(self, rows: int) -> tuple[int, Way]:
        """Return the least number of rows of the plan that has room for `rows`, and its way.

        Raises:
            ValueError: there are more rows than the plan is for.
        """
        for step in self.steps:
            if rows <= step[0]:
                return step
        raise ValueError(f"the plan is for {self.steps[-1][0]} rows, not {rows}")


class Linear:
    """A layer x W + b that works for up to as many rows as its plan."""

    def __init__(self, weight: F32, bias: F32 | None, plan: Plan) -> None:
        """Take the weights as they are; no copy is made.

        Shapes:
            weight: (K, N)
            bias: (N,), or None for none
        """
        self._weight = weight
        self._bias = bias
        self._plan = plan

    def __call__(self, x: F32, out: F32, rows: int) -> None:
        """Write the layer's outputs for the first `rows` rows of x.

        Shapes:
            x: (R, K), R at least the plan's step for `rows`; rows beyond are read, and of no matter
            out: (R, N), overwritten as far as that step
        """
        step, way = self._plan.step(rows)
        multiply(x[:step], self._weight, out[:step], way)
        if self._bias is not None:
            np.add(out[:rows], self._bias, out=out[:rows])


def multiply(x: F32, weight: F32, out: F32, way: Way) -> None:
    """Write x W to `out`, going `way`.

    Shapes:
        x: (R, K), R a multiple of the way's tile
        weight: (K, N), N a multiple of the way's block
        out: (R, N)
    """
    rows, inputs = x.shape
    outputs = weight.shape[1]
    if way.block:
        blocks = outputs // way.block
        weight = weight.reshape(inputs, blocks, way.block).transpose(1, 0, 2)
        out = out.reshape(rows, blocks, way.block).transpose(1, 0, 2)
    elif way.tile:
        x = x.reshape(rows // way.tile, way.tile, inputs)
        out = out.reshape(rows // way.tile, way.tile, outputs)
    np.matmul(x, weight, out=out)


def row_steps(most: int) -> tuple[int, ...]:
    """Return the numbers of rows that products have: powers of two, from two to `most` or above."""
    steps = [MIN_ROWS]
    while steps[-1] < most:
        steps.append(steps[-1] * 2)
    return tuple(steps)


def tune(
    inputs: int,
    outputs: int,
    rows: Sequence[int],
    clock: Callable[[], float] = time.perf_counter,
) -> Plan:
    """Return the plan that is fastest in sum, among those that give a row the same bits throughout.

    Args:
        inputs: K.
        outputs: N.
        rows: the numbers of rows to plan for, each even.
        clock: seconds, to measure with.
    """
    draw = np.random.Generator(np.random.Philox(key=inputs * outputs))
    draws = -(-_COMPARED_OUTPUTS // outputs)
    samples = draw.standard_normal((draws, max(rows), inputs), dtype=np.float32)
    weight = aligned_empty(inputs, outputs)
    draw.standard_normal(dtype=np.float32, out=weight)
    alike: dict[bytes, dict[int, list[Way]]] = {}
    for count in rows:
        for way in _ways(count, inputs, outputs):
            if (bits := _bits_of_a_row(samples[:, :count], weight, way)) is not None:
                alike.setdefault(bits, {}).setdefault(count, []).append(way)
    whole = [ways for ways in alike.values() if len(ways) == len(rows)]
    if not whole:
        return Plan(tuple((count, Way()) for count in rows), is_exact=False)
    plans = [_fastest(samples[0], weight, ways, clock) for ways in whole]
    return Plan(min(plans, key=lambda plan: plan[0])[1], is_exact=True)


def _ways(rows: int, inputs: int, outputs: int) -> list[Way]:
    widths = [
        width
        for width in _BLOCK_WIDTHS
        if width < outputs and outputs % width == 0 and rows * inputs * width <= _UNPACKED_PRODUCTS
    ]
    tiles = [tile for tile in (1, MIN_ROWS, 8, 32) if tile < rows]
    return [
        Way(),
        *(Way(block=width) for width in widths[-2:]),
        *(Way(tile=tile) for tile in tiles),
    ]


def _bits_of_a_row(samples: F32, weight: F32, way: Way) -> bytes | None:
    """Return the bits of the products' first rows; None if a row's place changes its bits.

    Shapes:
        samples: (draws, R, K)
    """
    count = samples.shape[1]
    out = aligned_empty(count, weight.shape[1])
    found: list[bytes] = []
    for x in samples:
        bits: set[bytes] = set()
        for place in sorted({0, 1, 2, 3, 7, count // 2, count - 1} & set(range(count))):
            multiply(np.roll(x, place, axis=0), weight, out, way)
            bits.add(out[place].tobytes())
        if len(bits) > 1:
            return None
        found += bits
    return b"".join(found)


def _fastest(
    x: F32, weight: F32, ways: dict[int, list[Way]], clock: Callable[[], float]
) -> tuple[float, tuple[tuple[int, Way], ...]]:
    seconds = 0.0
    steps: list[tuple[int, Way]] = []
    for count, candidates in sorted(ways.items()):
        out = aligned_empty(count, weight.shape[1])
        timed = [(_time(x[:count], weight, out, way, clock), way) for way in candidates]
        best, way = min(timed)
        seconds += best
        steps.append((count, way))
    return seconds, tuple(steps)


def _time(x: F32, weight: F32, out: F32, way: Way, clock: Callable[[], float]) -> float:
    best = float("inf")
    for _ in range(_TRIALS):
        started = clock()
        multiply(x, weight, out, way)
        best = min(best, clock() - started)
    return best
