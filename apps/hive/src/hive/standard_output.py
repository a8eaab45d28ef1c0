"""Standard output that says in a sentence why it cannot be written, instead of losing what it got.

    hive status >/dev/full      no space left
    hive status >&-             closed before it began
    hive logs 7 | head -1       nobody reads any more

A command that goes on without its output would look as if it had worked, so each of these ends it.
"""

import errno
import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from hive_contracts.errors import HiveError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["UNWRITABLE", "UnwritableOutputError", "die_of_a_broken_pipe", "guard_standard_streams"]

UNWRITABLE: Final = 120
"""The exit code; Python itself ends with it when it cannot flush its output."""


class UnwritableOutputError(HiveError):
    """Standard output or standard error takes no more."""

    def __init__(self, stream: str, reason: OSError) -> None:
        super().__init__(f"standard {stream} cannot be written: {reason.strerror}")
        self.is_unread = reason.errno == errno.EPIPE


class _Outlet(io.FileIO):
    """A descriptor that raises Hive's own error once, and swallows what is left in buffers then."""

    _has_failed = False

    def write(self, data: "ReadableBuffer", /) -> int | None:
        size = memoryview(data).nbytes
        if self._has_failed:
            return size
        try:
            return super().write(data)
        except OSError as error:
            self._has_failed = True
            raise UnwritableOutputError("output", error) from error


def guard_standard_streams() -> None:
    """Occupy what the caller has closed, and have failures of standard output told in words.

    A descriptor that is free would be given to the next file or socket, and what is printed would
    end up there. A closed standard output is occupied so that writing to it fails.
    """
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        if not _is_open(descriptor):
            os.open(os.devnull, mode)
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Outlet(1, "w", closefd=False)),
        encoding="utf-8" if sys.stdout is None else sys.stdout.encoding,
        # What the terminal's encoding lacks is shown escaped: better than not to be shown.
        errors="backslashreplace",
        line_buffering=os.isatty(1),
    )


def die_of_a_broken_pipe() -> NoReturn:
    """End as any program does whose reader has left: by SIGPIPE, which shells show as 141."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPIPE})
    os.kill(os.getpid(), signal.SIGPIPE)
    raise AssertionError("SIGPIPE did not end the process")


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
