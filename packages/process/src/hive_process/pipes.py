"""The worker's ends of a process's pipes: output in bounded pieces, input as it is taken.

Every piece is read when the event loop finds the pipe readable, one piece at a time, so that a
process that prints a gigabyte a second takes its turn with everything else in the loop, and is
slowed down by its own full pipe.
"""

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

__all__ = ["MOST_AT_ONCE_BYTES", "InputPipe", "OutputPipe"]

MOST_AT_ONCE_BYTES: Final = 64 * 1024
"""Most that is read or written at one go: what a pipe holds on Linux."""

_MOST_LAST_PIECES: Final = 32
"""Most pieces of what a pipe still holds after the last process that could write to it has died."""


class OutputPipe:
    """A pipe that a process writes to; what arrives goes to `write` in the order of its arrival."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._near_end, self.far_end = os.pipe()
        self._has_far_end = True
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        os.set_blocking(self._near_end, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def begin(self) -> None:
        """Give up the far end, which the process has by now, and read from here on."""
        self._close_far_end()
        self._loop.add_reader(self._near_end, self._read)

    async def finish(self, *, within_seconds: float = 1.0) -> bool:
        """Read what is left, up to the end; return whether it was reached in time."""
        for _ in range(_MOST_LAST_PIECES):
            if self._ended.is_set() or not self._read():
                break
        try:
            async with asyncio.timeout(within_seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def _read(self) -> bool:
        """Pass one piece on; return whether there may be another at once."""
        try:
            data = os.read(self._near_end, MOST_AT_ONCE_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._write(data)
        else:
            self._end()
        return bool(data)

    def _end(self) -> None:
        self._close_far_end()
        if not self._ended.is_set():
            self._ended.set()
            self._loop.remove_reader(self._near_end)
            os.close(self._near_end)

    def _close_far_end(self) -> None:
        if self._has_far_end:
            self._has_far_end = False
            os.close(self.far_end)


class InputPipe:
    """A pipe that a process reads `data` from. A process that stops reading is no error."""

    def __init__(self, data: bytes) -> None:
        self._left = memoryview(data)
        self.far_end, self._near_end = os.pipe()
        self._has_far_end = True
        self._is_open = True
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._near_end, False)
        # What fits into the pipe needs no turn of the loop, and most input does.
        self._feed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_far_end()
        self._end()

    def begin(self) -> None:
        """Give up the far end, which the process has by now, and write as it reads."""
        self._close_far_end()
        if self._is_open:
            self._loop.add_writer(self._near_end, self._feed)

    def _feed(self) -> None:
        try:
            taken = os.write(self._near_end, self._left[:MOST_AT_ONCE_BYTES])
        except BlockingIOError:
            return
        except BrokenPipeError:
            taken = len(self._left)
        self._left = self._left[taken:]
        if not self._left:
            self._end()

    def _end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove_writer(self._near_end)
            os.close(self._near_end)

    def _close_far_end(self) -> None:
        if self._has_far_end:
            self._has_far_end = False
            os.close(self.far_end)
