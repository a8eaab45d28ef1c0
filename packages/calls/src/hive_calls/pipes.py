"""The pipes through which a child's stdout and stderr reach the attempt that it is running."""

import asyncio
import fcntl
import os

from hive_contracts.execution import Attempt, Stream

__all__ = ["OutputPipe"]

CHUNK_BYTES = 64 * 1024
"""Most that is read before the loop may do something else: a flood must not starve it."""


class OutputPipe:
    """One pipe. What comes while no attempt listens (from a thread left behind) is thrown away."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._capacity_bytes = fcntl.fcntl(self._read_end, fcntl.F_GETPIPE_SZ)
        self.is_open = True
        """Whether anybody may still write to it; seen once the pipe has been read to its end."""

        self.listener: Attempt | None = None
        asyncio.get_running_loop().add_reader(self._read_end, self._read)

    @property
    def write_end(self) -> int:
        """The descriptor to hand to the child."""
        return self._write_end

    def close_write_end(self) -> None:
        """Let go of our copy of the child's end, so that its end of file is seen."""
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1

    def drain(self) -> None:
        """Deliver what was in the pipe at the time of the call.

        No more than the pipe can hold is read: a thread that prints for ever cannot keep us here.
        """
        read_bytes = 0
        while self.is_open and read_bytes < self._capacity_bytes:
            count = self._read()
            if count == 0:
                return
            read_bytes += count

    def close(self) -> None:
        """Close both ends; doing so again does nothing."""
        self.close_write_end()
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().remove_reader(self._read_end)
            os.close(self._read_end)

    def _read(self) -> int:
        try:
            data = os.read(self._read_end, CHUNK_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            self.close()
        elif self.listener is not None:
            self.listener.write_output(self._stream, data)
        return len(data)
