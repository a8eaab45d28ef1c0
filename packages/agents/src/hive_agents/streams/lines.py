"""Cut a stream of bytes into lines, wherever the borders of its pieces fall.

A line may be long (an agent that reads a file prints all of it in one), but not endless: what is
longer than `LONGEST_LINE_BYTES` is given as None once it has ended.
"""

from collections.abc import Iterator
from typing import Final

__all__ = ["LONGEST_LINE_BYTES", "Lines"]

LONGEST_LINE_BYTES: Final = 8 << 20


class Lines:
    """Gathers the lines of one stream."""

    def __init__(self, longest_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._longest_bytes = longest_bytes
        self._begun = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Give the lines that end in `data`, without their ends; None for one that is too long."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._take(data[start:end])
            yield self._give()
            start = end + 1
        self._take(data[start:])

    def rest(self) -> bytes:
        """Return the line that has begun and not ended."""
        return bytes(self._begun)

    def _take(self, part: bytes) -> None:
        if len(self._begun) + len(part) > self._longest_bytes:
            self._is_too_long = True
            self._begun.clear()
        if not self._is_too_long:
            self._begun += part

    def _give(self) -> bytes | None:
        line = None if self._is_too_long else bytes(self._begun)
        self._begun.clear()
        self._is_too_long = False
        return line
