"""Hear at once that tasks were submitted, through LISTEN; a lost connection costs one poll."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import StrEnum, unique
from typing import Final

from hive_store.connecting import Connection, connect, say_farewell, translated

__all__ = ["Doorbell", "News"]

CHANNEL: Final = "hive_queued"
SCHEDULE_CHANNEL: Final = "hive_schedule"


@unique
class News(StrEnum):
    """What a ring may carry besides that there may be something to claim."""

    CONTROLS = "controls"
    """Limits or breakers were changed."""

    WAITING = "waiting"
    """Tasks that wait for others may be able to go on."""


class Doorbell:
    """Rings when a transaction that submitted tasks has committed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._rung = asyncio.Event()
        self._news: set[str] = set()
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
        self._news.update(News)
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

    def take_news(self) -> frozenset[str]:
        """Return what the rings since the last call have carried: some of `News`."""
        news = frozenset(self._news)
        self._news.clear()
        return news

    def _hear(self, *heard: object) -> None:
        self._news.add(str(heard[-1]))
        self._rung.set()

    def _hear_of_schedules(self, *_: object) -> None:
        self.schedules_changed.set()

    async def hang_up(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        await say_farewell(connection)
