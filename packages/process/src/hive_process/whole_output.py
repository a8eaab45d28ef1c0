"""The whole output of a command, both streams as they come: in a file, or at a URL.

A file is written as the command prints. What is to go to a URL (`s3://bucket/7.log`, whatever
fsspec has a driver for) is gathered in a file without a name first and sent when the command has
ended, so that a slow store slows nobody; it needs as much room on the worker's disk. Whatever
fails there fails no command: the result says that the output is not whole.
"""

import asyncio
import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, Final

from hive_contracts.errors import ConfigurationError

__all__ = ["WholeOutput", "is_url"]

SEND_SECONDS: Final = 600.0
"""Longest time for sending; what takes longer goes on by itself, and nobody waits for it."""

HURRIED_SECONDS: Final = 10.0
"""The same for a command that was called off: somebody waits for its end."""


def is_url(place: str) -> bool:
    """Return whether `place` is a URL, and no path."""
    return "://" in place


class WholeOutput:
    """Where everything goes that a command prints."""

    def __init__(self, place: str, folder: Path) -> None:
        """Open a file, from `folder`, or what is to be sent to a URL.

        Raises:
            OSError: it cannot be written to, or is no regular file.
            ConfigurationError: it is a URL that cannot be reached from here.
        """
        self.error: str | None = None
        """Why it does not have everything; None if it has."""

        self._url = place if is_url(place) else None
        if self._url is not None:
            _check(self._url)
        self._sending: asyncio.Future[None] | None = None
        self._file = _nameless() if self._url is not None else _emptied(folder / place)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def write(self, data: bytes) -> None:
        """Write `data`, unless there has been no room before: a file with a gap would mislead."""
        left = memoryview(data)
        try:
            while left and self.error is None:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            self.error = error.strerror

    async def finish(self, *, is_hurried: bool = False) -> None:
        """Send it, if it goes to a URL; return when it is there, or `error` says why not.

        Called again, it waits for what is being sent.
        """
        if self._url is None or self.error is not None:
            return
        longest = HURRIED_SECONDS if is_hurried else SEND_SECONDS
        try:
            async with asyncio.timeout(longest):
                if self._sending is None:
                    loop, file = asyncio.get_running_loop(), os.dup(self._file)
                    self._sending = loop.run_in_executor(None, _send, file, self._url)
                await asyncio.shield(self._sending)
        except TimeoutError:
            self.error = f"{self._url} had not taken it after {longest:g} s"
        except Exception as error:  # noqa: BLE001 - every driver raises errors of its own
            self.error = f"{self._url}: {error or type(error).__name__}"


def _emptied(path: Path) -> int:
    # Not blocking, so that a named pipe that nobody reads does not hold up the worker.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, 0o666)
    if stat.S_ISREG(os.fstat(file).st_mode):
        os.truncate(file, 0)
        return file
    os.close(file)
    raise OSError(errno.EINVAL, "not a regular file")


def _nameless() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _check(url: str) -> None:
    try:
        _drivers().get_filesystem_class(url.partition("://")[0])
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"{url!r} cannot be written to from here: {error}") from error


def _drivers() -> Any:
    try:
        import fsspec  # noqa: PLC0415 - an extra, which few need
    except ImportError:
        raise ImportError("URLs need hive-orchestrator[fsspec] on the worker") from None
    return fsspec


def _send(file: int, url: str) -> None:
    with os.fdopen(file, "rb") as source:
        source.seek(0)
        with _drivers().open(url, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
