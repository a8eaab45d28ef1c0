"""The deadlines of one command beside its time-out, which is the worker's: start-up and linger.

    start ──── startup ────▶ first sign of life ────▶ result, or end of its output ──── linger ────▶

A sign of life is any output, or `ready_text` in it if the task names one. The result is there when
`result_text` has been printed, or when the program can print no more because nobody has its output
open. What is past its deadline is stopped as if it were cancelled, and `struck` says why.

Where the limit of silence in between belongs: beside the time-out, in the worker, because other
kinds have it too.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique

from hive_contracts.execution import Stream
from hive_contracts.outcomes import TimedOut

__all__ = ["Deadlines", "Limit", "Terms"]


@unique
class Limit(StrEnum):
    """What a command was too slow for."""

    STARTUP = "startup"
    """It gave no sign of life."""

    LINGER = "linger"
    """It was done, and stayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a command has to keep to."""

    startup_seconds: float = 0.0
    """From its start to its first sign of life; 0 for as long as it likes."""

    linger_seconds: float = 0.0
    """From its result to its end; 0 for as long as it likes."""

    ready_text: str | None = None
    result_text: str | None = None


class Deadlines:
    """Which deadline is next, and which was missed."""

    def __init__(self, terms: Terms) -> None:
        self.struck: Limit | None = None
        """The deadline that was missed; None if none was."""

        self._terms = terms
        self._ready = None if terms.ready_text is None else _Text(terms.ready_text)
        self._result = None if terms.result_text is None else _Text(terms.result_text)
        self._is_ready = self._is_done = False
        self._done_by = ""
        self._timer: asyncio.TimerHandle | None = None
        self._stop: Callable[[], None] = _nothing

    def begin(self, stop: Callable[[], None]) -> None:
        """Begin to count; `stop` is called when a deadline has passed."""
        self._stop = stop
        if self._terms.startup_seconds and not self._is_ready:
            self._set(Limit.STARTUP, self._terms.startup_seconds)

    def hear(self, stream: Stream, data: bytes) -> None:
        """Look for the next sign in what was printed."""
        if not self._is_ready and (self._ready is None or self._ready.is_in(stream, data)):
            self._is_ready = True
            self._clear()
        if self._result is not None and not self._is_done and self._result.is_in(stream, data):
            self.hear_result()

    def hear_result(self) -> None:
        """Hear that the result is there."""
        if not self._is_done:
            self._linger("its result")

    def hear_end(self) -> None:
        """Hear that nothing more can be printed: neither a sign of life nor a result."""
        if not self._is_done and (self._is_ready or not self._terms.startup_seconds):
            self._linger("it had closed its output")

    def end(self) -> None:
        """Stop counting: the command has ended."""
        self._clear()
        self._stop = _nothing

    def outcome(self, usage: dict[str, object]) -> TimedOut:
        """Return what it means for the attempt that a deadline was missed."""
        if self.struck is None:
            raise AssertionError("no deadline was missed")
        seconds = self._seconds_of(self.struck)
        return TimedOut(
            timedelta(seconds=seconds),
            reason=self._reason(self.struck, seconds),
            result={"limit": str(self.struck), **usage},
        )

    def _linger(self, done_by: str) -> None:
        self._is_ready = self._is_done = True
        self._done_by = done_by
        self._clear()
        if self._terms.linger_seconds:
            self._set(Limit.LINGER, self._terms.linger_seconds)

    def _set(self, limit: Limit, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._strike, limit)

    def _strike(self, limit: Limit) -> None:
        self.struck = limit
        self._stop()

    def _reason(self, limit: Limit, seconds: float) -> str:
        if limit is Limit.LINGER:
            return f"it was still there {seconds:g} s after {self._done_by}"
        missing = "printed nothing" if self._ready is None else "not said that it is ready"
        return f"it had {missing} {seconds:g} s after its start"

    def _clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _seconds_of(self, limit: Limit) -> float:
        terms = self._terms
        return terms.startup_seconds if limit is Limit.STARTUP else terms.linger_seconds


class _Text:
    """A text that is looked for in each stream, also across the border of two pieces."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode(errors="surrogateescape")
        self._ends = dict.fromkeys(Stream, b"")

    def is_in(self, stream: Stream, data: bytes) -> bool:
        """Return whether the text ends in `data`, the next piece of `stream`."""
        seen = self._ends[stream] + data
        self._ends[stream] = seen[max(0, len(seen) - len(self._bytes) + 1) :]
        return self._bytes in seen


def _nothing() -> None:
    return
