"""The way of a command's output, from its pipes to its attempt: counted, and heard for signs."""

from collections import Counter
from collections.abc import Callable

from hive_contracts.execution import Stream
from hive_process.deadlines import Deadlines

__all__ = ["Outlet"]


class Outlet:
    """Takes what a command prints."""

    def __init__(self, write: Callable[[Stream, bytes], None], deadlines: Deadlines) -> None:
        self.written: Counter[Stream] = Counter()
        """Bytes that the command has written to each stream."""

        self._write = write
        self._deadlines = deadlines
        self._open = set(Stream)

    def write(self, stream: Stream, data: bytes) -> None:
        """Pass on the next bytes of a stream."""
        self.written[stream] += len(data)
        self._deadlines.hear(stream, data)
        self._write(stream, data)

    def end(self, stream: Stream) -> None:
        """Hear that nothing more comes of a stream."""
        self._open.discard(stream)
        if not self._open:
            self._deadlines.hear_end()
