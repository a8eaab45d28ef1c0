"""What arrays are called here.

Axis names, used in every signature of this package:

    R  rows: positions or sequences that go through a layer together
    B  sequences in a batch             S  slots: sequences that a cache has room for
    T  positions in the new input       C  positions that a cache has room for (the context)
    H  heads of queries                 G  heads of keys and values, H a multiple of G
    D  width of one head                E  width of the model
    F  width of the feed-forward layer  V  size of the vocabulary
    L  layers                           K, N  inputs and outputs of a linear layer
"""

import math
import mmap
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "ALIGNMENT_BYTES",
    "F32",
    "F64",
    "I64",
    "Bool",
    "aligned_empty",
    "aligned_zeros",
    "ones_behind",
    "sparse_zeros",
    "with_ones",
]

F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]
I64: TypeAlias = npt.NDArray[np.int64]
Bool: TypeAlias = npt.NDArray[np.bool_]

ALIGNMENT_BYTES: Final = 64
"""A cache line, and the widest vector register (AVX-512)."""


def aligned_empty(*shape: int) -> F32:
    """Return an array that begins on a cache line, its values undefined."""
    return _aligned(np.empty(_raw_bytes(shape), dtype=np.uint8), shape)


def aligned_zeros(*shape: int) -> F32:
    """Return an array of zeros that begins on a cache line."""
    return _aligned(np.zeros(_raw_bytes(shape), dtype=np.uint8), shape)


def sparse_zeros(*shape: int) -> F32:
    """Return an array of zeros that begins on a page; pages that are never written take no room.

    For what is large and mostly empty: arrays of numpy's from 4 MiB on are made of huge pages, and
    the first number that is written takes 2 MiB.
    """
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    raw = np.frombuffer(mmap.mmap(-1, math.prod(shape) * 4, private), dtype=np.float32)
    return raw.reshape(shape)


def with_ones(rows: int, width: int) -> F32:
    """Return an array of zeros with a column of ones behind: what a layer with a bias takes.

    Shapes:
        returns: (rows, width + 1), each row beginning on a cache line
    """
    return ones_behind(rows, width)[:, : width + 1]


def ones_behind(rows: int, width: int) -> F32:
    """Return what `with_ones` shows the front of: in one piece, so that a pass takes half as long.

    Shapes:
        returns: (rows, S), S a multiple of 16 above width: zeros, but ones in column `width`
    """
    line = ALIGNMENT_BYTES // 4
    array = aligned_zeros(rows, (width // line + 1) * line)
    array[:, width] = 1.0
    return array


def _raw_bytes(shape: tuple[int, ...]) -> int:
    return math.prod(shape) * 4 + ALIGNMENT_BYTES


def _aligned(raw: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> F32:
    skipped = -raw.ctypes.data % ALIGNMENT_BYTES
    return raw[skipped : skipped + math.prod(shape) * 4].view(np.float32).reshape(shape)
