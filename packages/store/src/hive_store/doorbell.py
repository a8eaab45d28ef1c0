"""Hear at once that tasks were submitted, through LISTEN; a lost connection costs one poll."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from hive_store.connecting import Connection, connect, say_farewell, translated

__all__ = ["Doorbell"]

CHANNEL: Final = "hive_queued"
ABOUT_CONTROLS: Final = "controls"
"""What a ring carries if limits were changed."""
SCHEDULE_CHANNEL: Final = "hive_schedule"


class Doorbell:
    """Rings when a transaction that submitted tasks has committed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._rung = asyncio.Event()
        self._has_news_of_controls = False
        self.schedules_changed = asyncio.Event()
        """Set when schedules were added, changed or resumed; who has looked clears it."""

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> "AsyncGenerator[Doorbell]":
        """Give a doorbell, and take it down afterwards."""
        bell = cls(url)
        try:
            yield bell
        finally:
            await bell.hang_up()

    def ring(self) -> None:
        """Ring, as a submit does: somebody in this process knows that there is work."""
        self._rung.set()

    async def listen(self) -> bool:
        """See to it that the bell is connected; return whether it had to be connected anew.

        Raises:
            StoreUnavailableError: Postgres does not answer.
        """
        if self._connection is not None and not self._connection.is_closed():
            return False
        connection = await connect(self._url)
        try:
            with translated(self._url):
                await connection.add_listener(CHANNEL, self._hear)
                await connection.add_listener(SCHEDULE_CHANNEL, self._hear_of_schedules)
        except BaseException:
            # Nobody else knows of it: refused, lost or cancelled, it would stay open.
            connection.terminate()
            raise
        self._connection = connection
        # What was submitted or changed while nobody listened has rung nowhere.
        self._has_news_of_controls = True
        self._rung.set()
        self.schedules_changed.set()
        return True

    async def wait(self, *, seconds: float) -> bool:
        """Wait until it rings, `seconds` at most; return whether it rang. Stops the ringing."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def take_news_of_controls(self) -> bool:
        """Return whether a ring since the last call said that limits were changed."""
        has_news, self._has_news_of_controls = self._has_news_of_controls, False
        return has_news

    def _hear(self, *heard: object) -> None:
        if heard[-1] == ABOUT_CONTROLS:
            self._has_news_of_controls = True
        self._rung.set()

    def _hear_of_schedules(self, *_: object) -> None:
        self.schedules_changed.set()

    async def hang_up(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        await say_farewell(connection)
