"""One supervisor per data directory.

The lock is the kernel's (flock): it is gone when its holder is, however the holder ended. The
process id in the file only serves to tell the next one who it was.
"""

import fcntl
import os
from pathlib import Path

from hive_contracts.errors import ConfigurationError

__all__ = ["SupervisorLock"]


class SupervisorLock:
    """The right to start the service whose lock file is `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; does nothing if this object holds it already.

        Raises:
            ConfigurationError: another holds it; the message names its process id.
        """
        if self._descriptor is not None:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            os.close(descriptor)
            raise ConfigurationError(
                f"process {holder} already runs the {self._path.stem} of {self._path.parent}: "
                "stop it first, or choose another data directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; does nothing if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
