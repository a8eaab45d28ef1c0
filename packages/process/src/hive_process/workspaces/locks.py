"""Locks that a process holds on what is on its machine; its death lets go of them."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["Lock"]


class Lock:
    """A file that is locked for as long as this is held."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, path: Path) -> "Lock | None":
        """Return the lock on `path`; None if somebody else has it."""
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            # Who had it may have removed the file since it was opened; then it guards nothing.
            if _is_file_of(path, descriptor):
                return cls(path, descriptor)
            os.close(descriptor)

    def let_go(self) -> None:
        """Give the lock up; doing so again does nothing."""
        if self._descriptor is not None:
            with suppress(FileNotFoundError):
                self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = None


def _is_file_of(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
