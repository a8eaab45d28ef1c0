"""The lines of a file or a stream, numbered, in chunks.

A file's chunks are full, so that reading it again gives the same ones. A stream's chunk is what has
arrived: a producer that is slow does not keep the lines waiting that it has written already.
"""

import asyncio
import os
import stat
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

from hive.standard_input import standard_input
from hive_contracts.errors import ConfigurationError
from hive_contracts.tasks import NewTask

__all__ = ["Line", "LineReader", "LineSource", "RefusedLineError", "digest_of", "open_lines"]

CHUNK_LINES: Final = 1000
CHUNK_BYTES: Final = 4 << 20
LONGEST_LINE_BYTES: Final = 8 << 20
"""A payload of 1 MiB may be six times as long in a line, if all of it is escaped."""

BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without what ends it."""

    number: int
    """Counted from 1."""

    data: bytes


class RefusedLineError(ConfigurationError):
    """A line that cannot become a task; the message names it and says why."""

    def __init__(self, number: int, reason: str, *, column: int | None = None) -> None:
        place = f"line {number:,}" + (f", column {column:,}" if column else "")
        super().__init__(f"{place}: {reason}")
        self.reason = reason
        self.number = number


class LineReader(Protocol):
    """Makes tasks of lines."""

    def read(self, line: Line) -> NewTask | None:
        """Return the task that a line says; None if it says none.

        Raises:
            RefusedLineError: it says one that may not be submitted.
        """
        ...


class LineSource:
    """Lines from a descriptor. Get one from `open_lines`."""

    def __init__(self, descriptor: int, name: str, *, separator: bytes, from_line: int) -> None:
        self._descriptor = descriptor
        self.name = name
        self._separator = separator
        self._from_line = from_line
        self.is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        """Whether it can be read twice."""

        self._begin()

    @property
    def is_exhausted(self) -> bool:
        """Whether its end is known, and all lines before it have been given."""
        return self._is_over and self._fault is None and not self._complete

    def rewind(self) -> None:
        """Begin anew; only files can."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._begin()

    def stop(self) -> None:
        """Give no further lines; whoever waits for some gets an empty chunk."""
        self._is_over = True
        self._fault = None
        self._complete.clear()
        self._rest = b""
        self._arrived.set()

    async def chunk(self) -> list[Line]:
        """Return the next lines; none at the end.

        Raises:
            RefusedLineError: a line is too long to be one.
            ConfigurationError: the source cannot be read.
        """
        taken: list[Line] = []
        size = 0
        while len(taken) < CHUNK_LINES and size < CHUNK_BYTES:
            if not self._complete:
                if self._fault is not None:
                    # What was read before comes first, or nobody would know how far it is in.
                    if not taken:
                        raise self._fault
                    break
                if self._is_over or (taken and not self._has_more()):
                    break
                await self._read_block()
                continue
            self._number += 1
            data = self._complete.popleft()
            if self._number >= self._from_line:
                taken.append(Line(self._number, data))
                size += len(data)
        return taken

    def _begin(self) -> None:
        self._number = 0
        self._rest = b""
        self._complete: deque[bytes] = deque()
        self._is_over = False
        self._fault: ConfigurationError | None = None
        self._arrived = asyncio.Event()

    def _has_more(self) -> bool:
        """Return whether a read would return at once, with lines or with the end."""
        if self.is_file:
            return True
        import select  # noqa: PLC0415 - files need none

        return bool(select.select([self._descriptor], [], [], 0)[0])

    async def _read_block(self) -> None:
        if not self.is_file:
            await self._until_readable()
            if self._is_over:
                return
        try:
            block = os.read(self._descriptor, BLOCK_BYTES)
        except OSError as error:
            self._fault = ConfigurationError(f"{self.name} cannot be read: {error.strerror}")
            return
        if not block:
            self._is_over = True
            if self._rest:
                self._complete.append(self._rest)
            return
        *complete, self._rest = (self._rest + block).split(self._separator)
        self._complete.extend(complete)
        if len(self._rest) > LONGEST_LINE_BYTES:
            number = self._number + len(self._complete) + 1
            self._fault = RefusedLineError(number, f"it has more than {LONGEST_LINE_BYTES:,} bytes")

    async def _until_readable(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(self._descriptor, self._arrived.set)
        except PermissionError:
            # What cannot be polled, such as /dev/null, never lets anybody wait.
            return
        try:
            await self._arrived.wait()
        finally:
            loop.remove_reader(self._descriptor)
        self._arrived.clear()


@contextmanager
def open_lines(
    path: str, *, separator: bytes = b"\n", from_line: int | None = None
) -> Generator[LineSource]:
    """Give the lines of a file, or of standard input for `-`, from the first or a later one on.

    Raises:
        ConfigurationError: there is no such file, or it may not be read.
        UsageError: standard input is closed.
    """
    if from_line is None:
        from_line = 1
    elif from_line < 1:
        raise ConfigurationError(f"--from-line is {from_line}; lines are counted from 1")
    if path == "-":
        standard_input()
        yield LineSource(0, "standard input", separator=separator, from_line=from_line)
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    try:
        yield LineSource(descriptor, path, separator=separator, from_line=from_line)
    finally:
        os.close(descriptor)


def digest_of(lines: list[Line]) -> bytes:
    """Return what tells these lines from any others."""
    digest = blake2b(digest_size=16)
    for line in lines:
        digest.update(len(line.data).to_bytes(8))
        digest.update(line.data)
    return digest.digest()
