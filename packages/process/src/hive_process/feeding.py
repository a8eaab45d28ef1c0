"""What a process is to read, handed over as fast as it takes it and no faster."""

import asyncio
import os
from collections.abc import Callable
from typing import Final

__all__ = ["MOST_AT_ONCE_BYTES", "Feed"]

MOST_AT_ONCE_BYTES: Final = 64 * 1024
"""Most that is read or written at one go: what a pipe holds on Linux."""

MOST_WAITING_BYTES: Final = 256 * 1024
"""Once more than this waits to be read, nothing more is taken."""


class Feed:
    """Writes to a descriptor that does not block. A process that stops reading is no error."""

    def __init__(self, descriptor: int, *, on_empty: Callable[[], None]) -> None:
        """Make a feed; `on_empty` is called whenever everything has been handed over."""
        self.is_broken = False
        """Whether nobody can read any more."""

        self._descriptor = descriptor
        self._on_empty = on_empty
        self._left = memoryview(b"")
        self._waits = False
        self._is_closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more should come."""
        return len(self._left) > MOST_WAITING_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._left

    def write(self, data: bytes) -> None:
        """Have `data` read after what waits; once it is closed, nothing is."""
        if self.is_broken or self._is_closed:
            return
        self._left = memoryview(b"".join((self._left, data)) if self._left else data)
        # What fits needs no turn of the loop, and most input does.
        self._push()

    def close(self) -> None:
        """Write nothing more; the descriptor is its owner's to close."""
        self._is_closed = True
        self._left = memoryview(b"")
        self._stop_waiting()

    def _push(self) -> None:
        try:
            taken = os.write(self._descriptor, self._left[:MOST_AT_ONCE_BYTES])
        except BlockingIOError:
            taken = 0
        except OSError:
            # The far end is closed: of a pipe that is EPIPE, of a terminal EIO.
            self.is_broken = True
            taken = len(self._left)
        self._left = self._left[taken:]
        if self._left:
            self._wait()
        else:
            self._stop_waiting()
            self._on_empty()

    def _wait(self) -> None:
        if not self._waits:
            self._waits = True
            self._loop.add_writer(self._descriptor, self._push)

    def _stop_waiting(self) -> None:
        if self._waits:
            self._waits = False
            self._loop.remove_writer(self._descriptor)
