"""The worker's end of a process's terminal: what it prints, what is typed, how large it is.

A terminal has one stream, so standard error comes with standard output. What is typed is echoed by
the terminal as long as the program wants it, and so stands in the output, as on any screen; what a
program reads with echo off (a password) does not.
"""

import asyncio
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from hive_contracts.conversing import BUSY, TAKEN, Answer, Said, WindowSize
from hive_contracts.execution import Stream
from hive_process.feeding import MOST_AT_ONCE_BYTES, Feed
from hive_process.outlet import Outlet

__all__ = ["Terminal"]

FIRST_SIZE: Final = WindowSize(rows=24, columns=80)
LARGEST: Final = 10_000
"""Rows or columns; some programs make room for each of them."""

LAST_SECONDS: Final = 1.0
MOST_LAST_PIECES: Final = 32
"""As of pipes: what is there is read, and no program of somebody else's is waited for long."""

ENDED: Final = Answer(refusal="it has ended")

END_OF_INPUT: Final = b"\x04"
"""Ctrl-D: the end of input at the beginning of a line, else the end of the part typed so far."""


class Terminal:
    """A terminal of one process, which it has for standard input, output and error."""

    def __init__(self, outlet: Outlet, stdin: str | None) -> None:
        """Open a terminal on which `stdin` has been typed already.

        Raises:
            OSError: this machine has no terminal left.
        """
        self._outlet = outlet
        self._near_end, self._far_end = os.openpty()
        self._has_far_end = True
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        os.set_blocking(self._near_end, False)
        self._size = FIRST_SIZE
        self._show_size(FIRST_SIZE)
        self._feed = Feed(self._near_end, on_empty=_nothing)
        self._ends_line = True
        if stdin:
            self._type(stdin.encode(errors="surrogateescape"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def files(self) -> Mapping[int, int]:
        """Descriptors of the process, and ours that stand for them."""
        return dict.fromkeys((0, 1, 2), self._far_end)

    def begin(self) -> None:
        """Read from here on: the process has its end.

        Ours stays open as well: a program that closes its terminal may open it again.
        """
        # There is no second stream, and nothing more of it comes.
        self._outlet.end(Stream.STDERR)
        self._loop.add_reader(self._near_end, self._read)

    def hear(self, said: Said) -> Answer:
        """Type what is said, and have the terminal as large as the speaker's."""
        if self._ended.is_set():
            # Its number may be that of another attempt's file by now.
            return ENDED
        if self._feed.is_full:
            return BUSY
        if said.window is not None:
            self._resize(said.window)
        if said.data:
            self._type(said.data)
        if said.is_end:
            self._type(END_OF_INPUT if self._ends_line else END_OF_INPUT * 2)
        return TAKEN

    def read_rest(self) -> None:
        """Read what was printed, without waiting for more."""
        self._close_far_end()
        for _ in range(MOST_LAST_PIECES):
            if self._ended.is_set() or not self._read():
                return

    async def finish(self) -> None:
        """Read what was printed, up to the end or for a bounded time."""
        self.read_rest()
        if self._ended.is_set():
            return
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            return

    def _type(self, data: bytes) -> None:
        self._ends_line = data[-1:] in (b"\r", b"\n", END_OF_INPUT)
        self._feed.write(data)

    def _resize(self, window: WindowSize) -> None:
        size = WindowSize(*(min(max(1, n), LARGEST) for n in (window.rows, window.columns)))
        if size != self._size:
            self._size = size
            self._show_size(size)
        else:
            # Who has just come wants to see the screen, which programs draw when its size changes.
            self._signal_foreground(signal.SIGWINCH)

    def _signal_foreground(self, number: signal.Signals) -> None:
        group = os.tcgetpgrp(self._near_end)
        if group > 0:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)

    def _show_size(self, size: WindowSize) -> None:
        packed = struct.pack("HHHH", size.rows, size.columns, 0, 0)
        fcntl.ioctl(self._near_end, termios.TIOCSWINSZ, packed)

    def _read(self) -> bool:
        """Pass one piece on; return whether there may be another at once."""
        try:
            data = os.read(self._near_end, MOST_AT_ONCE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            # EIO is how a terminal says that nobody has it open any more.
            data = b""
        if data:
            self._outlet.write(Stream.STDOUT, data)
        else:
            self._end()
        return bool(data)

    def _end(self) -> None:
        self._close_far_end()
        if not self._ended.is_set():
            self._ended.set()
            self._feed.close()
            self._loop.remove_reader(self._near_end)
            os.close(self._near_end)
            self._outlet.end(Stream.STDOUT)

    def _close_far_end(self) -> None:
        if self._has_far_end:
            self._has_far_end = False
            os.close(self._far_end)


def _nothing() -> None:
    return
