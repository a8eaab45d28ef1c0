"""The terminal at which somebody sits, lent to a task for a while, and given back as it was."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from hive_contracts.conversing import WindowSize
from hive_contracts.errors import UsageError

__all__ = ["OwnTerminal", "check_terminal", "is_at_terminal"]

READ_BYTES: Final = 16 * 1024
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

OTHER_SCREEN: Final = (b"\x1b[?1049h", b"\x1b[?1049l")
"""What a program prints to have a screen of its own, and to give it up."""

AS_BEFORE: Final = (
    b"\x1b[0m\x1b[?25h\x1b[?1l\x1b>\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"
)
"""No colours, a cursor, plain keys, no marks around what is pasted, no mouse."""


def is_at_terminal() -> bool:
    """Return whether somebody sits there who can both type and see."""
    streams = (sys.stdin, sys.stdout)
    return all(stream is not None and stream.isatty() for stream in streams)


def check_terminal(otherwise: str) -> None:
    """Do nothing if somebody sits there.

    Raises:
        UsageError: nobody does; `otherwise` says what can be done without.
    """
    if not is_at_terminal():
        raise UsageError(f"this needs a terminal; {otherwise}")


class OwnTerminal:
    """A terminal whose every key goes to somebody else, until the context of `lent` ends."""

    def __init__(self) -> None:
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._has_other_screen = False
        self._is_at_line_start = True

    @contextmanager
    def lent(
        self,
        *,
        on_typed: Callable[[bytes], None],
        on_resized: Callable[[], None],
        on_ending: Callable[[], None],
    ) -> Generator[None]:
        """Hand over what is typed, as it is; tell of a new size, and of signals that end things."""
        loop = asyncio.get_running_loop()
        before = termios.tcgetattr(self._in)
        signals = {signal.SIGWINCH: on_resized, **dict.fromkeys(ENDING, on_ending)}
        try:
            tty.setraw(self._in, termios.TCSADRAIN)
            loop.add_reader(self._in, self._read, on_typed, on_ending)
            for number, callback in signals.items():
                loop.add_signal_handler(number, callback)
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
            loop.remove_reader(self._in)
            ending = b"" if self._is_at_line_start else b"\r\n"
            self.write(OTHER_SCREEN[1] * self._has_other_screen + AS_BEFORE + ending)
            termios.tcsetattr(self._in, termios.TCSADRAIN, before)

    def write(self, data: bytes) -> None:
        """Show what the task has printed."""
        opened, closed = (data.rfind(code) for code in OTHER_SCREEN)
        if opened != closed:
            self._has_other_screen = opened > closed
        if data:
            self._is_at_line_start = data.endswith(b"\n")
        view = memoryview(data)
        while view:
            view = view[os.write(self._out, view) :]

    @property
    def size(self) -> WindowSize:
        """How large it is; what LINES and COLUMNS say is what it once was."""
        columns, rows = os.get_terminal_size(self._out)
        return WindowSize(rows=rows, columns=columns)

    def _read(self, on_typed: Callable[[bytes], None], on_ending: Callable[[], None]) -> None:
        try:
            data = os.read(self._in, READ_BYTES)
        except OSError:
            data = b""
        if data:
            on_typed(data)
        else:
            asyncio.get_running_loop().remove_reader(self._in)
            on_ending()
