"""Sends what others have told, behind their back and in order.

Telling is for hints, so each message is sent at most once: when Redis is away, what could not be
sent is counted and forgotten, because its readers will look into the store when they are back.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias

from hive_bus.backoff import Backoff
from hive_contracts.errors import BusUnavailableError

__all__ = ["Message", "Teller"]

Message: TypeAlias = tuple[str, bytes]
"""A channel, and what to say there."""

PIPELINE_MESSAGES: Final = 500
"""Most messages in one pipeline, so that one round trip stays short."""

log = logging.getLogger(__name__)


class Teller:
    """A bounded queue of messages and the loop that empties it."""

    def __init__(
        self, send: Callable[[Sequence[Message]], Awaitable[None]], *, capacity: int
    ) -> None:
        self._send = send
        self._capacity = capacity
        self._waiting: deque[Message] = deque()
        self._told = asyncio.Event()
        self._closing = asyncio.Event()
        self._backoff = Backoff()
        self._is_away = False
        self.dropped = 0
        """Messages that made way for newer ones, or could not be sent."""

    def tell(self, messages: Iterable[Message]) -> None:
        """Take `messages` to be sent soon; the oldest make way when there are too many."""
        self._waiting.extend(messages)
        while len(self._waiting) > self._capacity:
            self._waiting.popleft()
            self.dropped += 1
        self._told.set()

    def close(self) -> None:
        """Let `run` end once it has sent, or failed to send, what waits."""
        self._closing.set()
        self._told.set()

    async def run(self) -> None:
        """Send what is told, until `close` is called."""
        while True:
            await self._told.wait()
            self._told.clear()
            await self._send_all()
            # Only now: it may be closed before it has run at all.
            if self._closing.is_set():
                return

    async def _send_all(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), PIPELINE_MESSAGES)
            batch = [self._waiting.popleft() for _ in range(count)]
            try:
                await self._send(batch)
            except BusUnavailableError as error:
                self.dropped += len(batch)
                self._note_that_it_is_away(error)
                if self._closing.is_set():
                    self.dropped += len(self._waiting)
                    self._waiting.clear()
                else:
                    await self._pause()
            else:
                self._is_away = False
                self._backoff.reset()

    def _note_that_it_is_away(self, error: BusUnavailableError) -> None:
        if not self._is_away:
            log.warning("hints are dropped until Redis is back: %s", error)
        self._is_away = True

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._backoff.next_seconds()):
                await self._closing.wait()
        except TimeoutError:
            pass
