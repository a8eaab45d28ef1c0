"""A sign of life from a function: for tasks that may not be silent for long.

    from hive_calls import show_life

    def train(epochs: int) -> float:
        for epoch in range(epochs):
            ...
            show_life()

What a function prints in a child process is a sign too. What it prints in the worker's loop is not
seen, so that an `async def` function has no other way. Where no task runs, nothing happens.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from threading import Lock
from typing import Final

__all__ = ["ChildsLife", "now_lives", "show_life"]

PAUSE_SECONDS: Final = 0.1
"""A child says it no more often: who listens looks no more often."""

_show: ContextVar[Callable[[], None] | None] = ContextVar("show_life", default=None)
_child: "list[ChildsLife]" = []


def show_life() -> None:
    """Say that the task has not come to a standstill. Any thread of its function may call it."""
    show = _show.get()
    if show is not None:
        show()
    elif _child:
        _child[-1].show()


def now_lives(show: Callable[[], None]) -> None:
    """Have `show_life` call `show` from now on, in this context.

    It is not taken back: to show the life of an attempt that is over does nothing.
    """
    _show.set(show)


class ChildsLife:
    """Sends signs of life from a child process, after a request and before its reply."""

    def __init__(self, send: Callable[[], None]) -> None:
        self._send = send
        self._lock = Lock()
        self._sent_at = float("-inf")
        self._is_listened_to = False

    def begin(self) -> None:
        """Send signs from now on, also those of threads."""
        _child[:] = [self]
        self._is_listened_to = True

    def end(self) -> None:
        """Send no more: once this returns, none is on its way."""
        with self._lock:
            self._is_listened_to = False

    def show(self) -> None:
        """Send a sign, unless one has just been sent."""
        with self._lock:
            now = time.monotonic()
            if self._is_listened_to and now - self._sent_at >= PAUSE_SECONDS:
                self._sent_at = now
                self._send()
