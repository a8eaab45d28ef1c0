"""The way of a command's output: heard for signs, counted, rid of secrets, and passed on.

    pipes ──▶ deadlines ──▶ redactor ──▶ the whole of it to a file, if asked
                                    └──▶ head and tail to the attempt, and so to the store

Bytes stay as they are, whether they are text or not, and so do the colours of terminals.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from hive_contracts.execution import Stream
from hive_process.deadlines import Deadlines
from hive_process.redacting import Redactor
from hive_process.secrets import Secrets

__all__ = ["Outlet"]


class Outlet:
    """Takes what a command prints."""

    def __init__(
        self, write: Callable[[Stream, bytes], None], deadlines: Deadlines, secrets: Secrets
    ) -> None:
        self.written: Counter[Stream] = Counter()
        """Bytes that the command has written to each stream."""

        self.file_error: str | None = None
        """Why the file does not have everything; None if it has, or if there is none."""

        self._write = write
        self._deadlines = deadlines
        self._redactors = {stream: Redactor(secrets) for stream in Stream} if secrets else None
        self._open = set(Stream)
        self._file: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.close(self._file)

    def keep_whole(self, path: Path) -> None:
        """Write everything to a file as well, both streams as they come; what it had is gone.

        Raises:
            OSError: it cannot be written to, or is no regular file.
        """
        # Not blocking, so that a named pipe that nobody reads does not hold up the worker.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o666)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        os.truncate(self._file, 0)

    def write(self, stream: Stream, data: bytes) -> None:
        """Pass on the next bytes of a stream."""
        self.written[stream] += len(data)
        self._deadlines.hear(stream, data)
        if self._redactors is not None:
            data = self._redactors[stream].feed(data)
        self._pass_on(stream, data)

    def end(self, stream: Stream) -> None:
        """Hear that nothing more comes of a stream."""
        if self._redactors is not None:
            self._pass_on(stream, self._redactors[stream].end())
        self._open.discard(stream)
        if not self._open:
            self._deadlines.hear_end()

    def _pass_on(self, stream: Stream, data: bytes) -> None:
        if not data:
            return
        if self._file is not None:
            self._write_to_file(self._file, data)
        self._write(stream, data)

    def _write_to_file(self, file: int, data: bytes) -> None:
        """Write `data`, unless there has been no room before: a file with a gap would mislead."""
        left = memoryview(data)
        try:
            while left and self.file_error is None:
                left = left[os.write(file, left) :]
        except OSError as error:
            self.file_error = error.strerror
