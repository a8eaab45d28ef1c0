"""What handlers report and the benchmark reads, through shared memory: how many ran, and when.

A file of 64-bit numbers that every process maps. Each worker process counts in a place of its own,
so that nobody waits for anybody; samples of latency are numbered, and have a place for the moment
before their submit and one for the first line of their handler. Moments are of CLOCK_MONOTONIC,
which all processes of a machine share.

Handlers run it with the Python of whichever queue is measured: it imports nothing but the standard
library.
"""

import functools
import mmap
import os
import time
from pathlib import Path
from typing import Final

__all__ = ["MOST_SAMPLES", "UNNUMBERED", "Probe", "here"]

UNNUMBERED: Final = -1
"""The number of a task that is only counted."""

MOST_WORKERS: Final = 64
MOST_SAMPLES: Final = 2048
BEGAN: Final = MOST_WORKERS
SENT: Final = MOST_WORKERS + MOST_SAMPLES
CELLS: Final = MOST_WORKERS + 2 * MOST_SAMPLES
CELL_BYTES: Final = 8


class Probe:
    """One mapping of the file."""

    def __init__(self, path: Path, slot: int) -> None:
        with path.open("r+b") as file:
            self._cells = memoryview(mmap.mmap(file.fileno(), CELLS * CELL_BYTES)).cast("q")
        self._slot = slot

    @classmethod
    def create(cls, path: Path) -> "Probe":
        """Make the file, with nothing in it."""
        path.write_bytes(bytes(CELLS * CELL_BYTES))
        return cls(path, 0)

    def clear(self) -> None:
        """Forget everything."""
        for place in range(CELLS):
            self._cells[place] = 0

    def hit(self, number: int) -> None:
        """Count a handler that begins; if it has a number, note the moment."""
        if number >= 0:
            self._cells[BEGAN + number] = time.monotonic_ns()
        self._cells[self._slot] += 1

    def sent(self, number: int) -> None:
        """Note the moment before a submit."""
        self._cells[SENT + number] = time.monotonic_ns()

    def has_begun(self, number: int) -> bool:
        """Return whether the handler of a numbered task has begun."""
        return self._cells[BEGAN + number] > 0

    @property
    def total(self) -> int:
        """How many handlers have begun."""
        return sum(self._cells[:MOST_WORKERS])

    def milliseconds(self, number: int) -> float:
        """Return the time from before the submit of a numbered task to its handler's first line."""
        return (self._cells[BEGAN + number] - self._cells[SENT + number]) / 1e6


@functools.cache
def here() -> Probe:
    """Return this process's probe, as the benchmark has told it."""
    return Probe(Path(os.environ["BENCH_PROBE"]), int(os.environ.get("BENCH_SLOT", "0")))
