"""How long to wait before Redis is tried again."""

from typing import Final

__all__ = ["Backoff"]

FIRST_SECONDS: Final = 0.05
LONGEST_SECONDS: Final = 1.0


class Backoff:
    """Pauses that double from 50 ms up to one second, until something succeeds."""

    def __init__(self) -> None:
        self._seconds = FIRST_SECONDS

    def next_seconds(self) -> float:
        """Return how long to wait now; the next wait will be twice as long, up to the longest."""
        seconds = self._seconds
        self._seconds = min(2 * seconds, LONGEST_SECONDS)
        return seconds

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._seconds = FIRST_SECONDS
