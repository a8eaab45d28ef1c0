"""Where a text ends: before the first of its stop texts, also if that comes in pieces."""

from collections.abc import Sequence

__all__ = ["StopWatch"]


class StopWatch:
    """Passes a text through, holding back what may be the beginning of a stop text."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.has_stopped = False
        """Whether a stop text has come up; nothing comes out from then on."""

    def push(self, text: str) -> str:
        """Return what can be given out, now that `text` has come."""
        if self.has_stopped:
            return ""
        self._held += text
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            self.has_stopped = True
            return self._release(min(found))
        return self._release(len(self._held) - self._doubtful())

    def finish(self) -> str:
        """Return what was held back; the text ends without a stop text."""
        return "" if self.has_stopped else self._release(len(self._held))

    def _release(self, count: int) -> str:
        given, self._held = self._held[:count], self._held[count:]
        return given

    def _doubtful(self) -> int:
        """Return how many characters at the end are the beginning of some stop text."""
        longest = max((len(stop) - 1 for stop in self._stops), default=0)
        for count in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-count:]) for stop in self._stops):
                return count
        return 0
