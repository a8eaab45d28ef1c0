"""The worker's ends of a process's pipes: output in bounded pieces, input as it is taken.

Every piece is read when the event loop finds the pipe readable, one piece at a time, so that a
process that prints a gigabyte a second takes its turn with everything else in the loop, and is
slowed down by its own full pipe.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Final, Self

from hive_contracts.conversing import BUSY, NO_TERMINAL, TAKEN, Answer, Said
from hive_contracts.execution import Stream
from hive_process.feeding import MOST_AT_ONCE_BYTES, Feed
from hive_process.outlet import Outlet

__all__ = ["InputPipe", "OutputPipe", "Pipes"]

_MOST_LAST_PIECES: Final = 32
"""Most pieces to read without waiting: a pipe holds 1 MiB at most, unless root has enlarged it."""

_LAST_SECONDS: Final = 1.0
"""Longest wait for the end of a pipe after the tree that wrote to it is dead."""


class OutputPipe:
    """A pipe that a process writes to; what arrives goes to `write` in the order of its arrival.

    `end` is called once: when the last writer has closed it, or when it is given up.
    """

    def __init__(self, write: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._write = write
        self._tell_end = end
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

    def read_rest(self) -> None:
        """Read what the pipe holds now, without waiting for more."""
        for _ in range(_MOST_LAST_PIECES):
            if self._ended.is_set() or not self._read():
                return

    async def finish(self, *, within_seconds: float = _LAST_SECONDS) -> None:
        """Read up to the end, for a bounded time.

        Once the tree is dead the end is there; only a descriptor that was handed to somebody else
        can hold it up.
        """
        self.read_rest()
        if self._ended.is_set():
            return
        try:
            async with asyncio.timeout(within_seconds):
                await self._ended.wait()
        except TimeoutError:
            return

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
            self._tell_end()

    def _close_far_end(self) -> None:
        if self._has_far_end:
            self._has_far_end = False
            os.close(self.far_end)


class InputPipe:
    """A pipe that a process reads from; one that stops reading is no error.

    Without `stays_open` it ends behind the data that it begins with.
    """

    def __init__(self, data: bytes, *, stays_open: bool = False) -> None:
        self.far_end, self._near_end = os.pipe()
        self._has_far_end = True
        self._is_open = True
        self._is_ending = not stays_open
        os.set_blocking(self._near_end, False)
        self._feed = Feed(self._near_end, on_empty=self._note_that_it_is_empty)
        self._feed.write(data)

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
        """Give up the far end, which the process has by now."""
        self._close_far_end()

    def hear(self, said: Said) -> Answer:
        """Have what is said read, and the end of it if it is the end."""
        if said.watches:
            return NO_TERMINAL
        if self._is_ending:
            return Answer(refusal="its input has ended")
        if self._feed.is_broken:
            return Answer(refusal="it reads no input any more")
        if self._feed.is_full:
            return BUSY
        self._is_ending = said.is_end
        self._feed.write(said.data)
        return Answer(refusal="it reads no input any more") if self._feed.is_broken else TAKEN

    def _note_that_it_is_empty(self) -> None:
        if self._is_ending:
            self._end()

    def _end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._feed.close()
            os.close(self._near_end)

    def _close_far_end(self) -> None:
        if self._has_far_end:
            self._has_far_end = False
            os.close(self.far_end)


class Pipes:
    """The pipes of one process: its output, and its input if it has any."""

    def __init__(self, outlet: Outlet, stdin: str | None, *, stays_open: bool = False) -> None:
        with ExitStack() as stack:
            self._out, self._err = (
                stack.enter_context(
                    OutputPipe(partial(outlet.write, stream), partial(outlet.end, stream))
                )
                for stream in (Stream.STDOUT, Stream.STDERR)
            )
            self._in: InputPipe | None = None
            if stdin is not None or stays_open:
                data = (stdin or "").encode(errors="surrogateescape")
                self._in = stack.enter_context(InputPipe(data, stays_open=stays_open))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def files(self) -> Mapping[int, int]:
        """Descriptors of the process, and ours that stand for them."""
        outputs = {1: self._out.far_end, 2: self._err.far_end}
        return outputs if self._in is None else {0: self._in.far_end, **outputs}

    def hear(self, said: Said) -> Answer:
        """Have the process read what is said."""
        return self._in.hear(said) if self._in is not None else Answer(refusal="it has no input")

    def begin(self) -> None:
        """Read and write from here on: the process has its ends."""
        self._out.begin()
        self._err.begin()
        if self._in is not None:
            self._in.begin()

    def read_rest(self) -> None:
        """Read what the process has printed, without waiting for more."""
        self._out.read_rest()
        self._err.read_rest()

    async def finish(self) -> None:
        """Read what the process has printed, up to the end or for a bounded time."""
        await self._out.finish()
        await self._err.finish()
