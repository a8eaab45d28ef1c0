"""Ctrl-C as something to wait for, for commands that answer the first one in words."""

import asyncio
import signal
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["SECOND_CTRL_C_SECONDS", "Interrupts"]

SECOND_CTRL_C_SECONDS: Final = 2.0
"""How soon after the first Ctrl-C a second one means more than that."""


class Interrupts:
    """Every Ctrl-C since `heard` began, to be taken one by one."""

    def __init__(self) -> None:
        self._untaken = 0
        self._arrived = asyncio.Event()

    @contextmanager
    def heard(self) -> Generator[None]:
        """Have Ctrl-C counted instead of raising, until the context ends."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def take(self, *, within_seconds: float | None = None) -> bool:
        """Return once there was another Ctrl-C; False if there was none within that time."""
        try:
            async with asyncio.timeout(within_seconds):
                while not self._untaken:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return False
        self._untaken -= 1
        return True

    async def take_beside(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do `work` up to the next Ctrl-C; return then whether it was done."""
        async with asyncio.TaskGroup() as group:
            doing = group.create_task(work)
            await self.take()
            doing.cancel()
        return not doing.cancelled()

    def _hear(self) -> None:
        self._untaken += 1
        self._arrived.set()
