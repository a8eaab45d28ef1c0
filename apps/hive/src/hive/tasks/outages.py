"""Sit out a Postgres or a Redis that is away, and say so once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from hive.printing import say
from hive_contracts.errors import BusUnavailableError, StoreUnavailableError

if TYPE_CHECKING:
    from hive_bus.bus import Bus

__all__ = ["PAUSE_SECONDS", "BusOutage", "Outage", "outlast"]

PAUSE_SECONDS: Final = 0.5
"""Before a Postgres that did not answer is asked again."""

AnswerT = TypeVar("AnswerT")


class Outage:
    """Whether Postgres is away, as far as one reader knows."""

    def __init__(self, *, what_goes_on: str = "") -> None:
        self._what_goes_on = what_goes_on
        self._is_on = False

    async def sit_out(self, error: StoreUnavailableError) -> None:
        """Say what is wrong if that is news, and return when it is time to try again."""
        self.note(str(error))
        await asyncio.sleep(PAUSE_SECONDS)

    def note(self, reason: str) -> None:
        """Say what is wrong, if that is news."""
        if not self._is_on:
            say(f"hive: {reason}; still trying{self._what_goes_on}")
        self._is_on = True

    async def outlast(self, ask: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """Return what `ask` returns, asked until Postgres answers; a person is told."""
        while True:
            try:
                answer = await ask()
            except StoreUnavailableError as error:
                await self.sit_out(error)
                continue
            self.note_that_it_answers()
            return answer

    def note_that_it_answers(self) -> None:
        """Say that it is back, if it was away."""
        if self._is_on:
            say("hive: Postgres is back")
        self._is_on = False


async def outlast(ask: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
    """Return what `ask` returns, asked until Postgres answers; for those beside who tells of it."""
    while True:
        try:
            return await ask()
        except StoreUnavailableError:
            await asyncio.sleep(PAUSE_SECONDS)


class BusOutage:
    """Whether Redis is away, as far as one listener knows. Nothing waits for it."""

    def __init__(self, bus: "Bus") -> None:
        self._bus = bus
        self._is_on = False

    async def look(self) -> None:
        """Say that Redis has gone or is back, if that is news: a gap in the hints asks for it."""
        try:
            await self._bus.ping()
        except BusUnavailableError as error:
            if not self._is_on:
                say(f"hive: {error}; news is found by looking, a little later")
            self._is_on = True
            return
        if self._is_on:
            say("hive: Redis is back")
        self._is_on = False
