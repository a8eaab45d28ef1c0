"""Read an agent that just prints its answer: the end of what it prints is its result.

It says nothing of sessions, tokens and prices, so these stay unknown.
"""

from typing import Final

from hive_agents.streams.report import Report

__all__ = ["PlainReader"]

KEPT_BYTES: Final = 64 * 1024


class PlainReader:
    """Reads plain text."""

    def __init__(self) -> None:
        self.report = Report()
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Keep the end of it."""
        self._tail = (self._tail + data)[-KEPT_BYTES:]

    def end(self) -> None:
        """Take what was printed for the result, if anything was."""
        text = self._tail.decode(errors="replace").strip()
        if text:
            self.report.text = text
            self.report.is_done = True
