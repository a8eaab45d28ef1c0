"""What Ctrl-C means to the demonstration: the first stops it in order, a second one hurries it.

Stopping in order must not be cancelled half-way, or something would be left running; so only the
first signal cancels, and only while there is something to cancel.
"""

import asyncio
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from hive import up_state
from hive.printing import say

__all__ = ["Curtain"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Curtain:
    """Hears the signals of one demonstration, from its first moment to its last."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._main = asyncio.current_task()
        self._signals = 0
        self._is_falling = False

    @property
    def was_called(self) -> bool:
        """Whether a signal ended the demonstration."""
        return self._signals > 0

    @contextmanager
    def minded(self) -> Generator[None]:
        """Hear the signals until the context ends."""
        self.listen()
        try:
            yield
        finally:
            for number in SIGNALS:
                asyncio.get_running_loop().remove_signal_handler(number)

    def listen(self) -> None:
        """Be the one who hears the signals; to be called again when somebody else has listened."""
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._hear)

    async def heed(self) -> None:
        """Hear what has come: the loop reads of a signal in one turn, and tells in the next."""
        for _ in range(2):
            await asyncio.sleep(0)

    def fall(self) -> None:
        """Take note that everything is being stopped now: no signal cancels that."""
        self._is_falling = True

    def _hear(self) -> None:
        self._signals += 1
        if self._signals == 1:
            say("\nhive: stopping everything")
        if self._signals == 1 and not self._is_falling and self._main is not None:
            self._main.cancel()
        else:
            self._kill_workers()

    def _kill_workers(self) -> None:
        """End those who would let their tasks finish first."""
        state = up_state.read(self._data_dir)
        for process in state.processes if state else ():
            if process.name.startswith("worker") and process.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
