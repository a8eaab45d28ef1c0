"""Who speaks with an attempt: one thing at a time, said again until it is answered.

The bus may lose a message. What is said again has the same number, so that the attempt does it once
and answers again.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Never
from uuid import uuid4

from hive_bus.beside import beside
from hive_bus.bus import Bus
from hive_bus.subscription import Subscription
from hive_contracts.conversing import Heard, Said, WindowSize
from hive_contracts.errors import BusUnavailableError, ServiceUnavailableError
from hive_contracts.ids import TaskId

__all__ = ["Caller", "UnansweredError", "open_caller"]

AGAIN_SECONDS: Final = 0.5
BUSY_SECONDS: Final = 0.1


class UnansweredError(ServiceUnavailableError):
    """Nobody has answered: the task does not run, or its worker cannot be reached."""


class Caller:
    """One who speaks with an attempt."""

    def __init__(self, bus: Bus, task_id: TaskId) -> None:
        self._bus = bus
        self._task_id = task_id
        self._speaker = uuid4().hex
        self._number = 0
        self._answer: Heard | None = None
        self._answered = asyncio.Event()

    async def say(
        self,
        data: bytes = b"",
        *,
        is_end: bool = False,
        window: WindowSize | None = None,
        watches: bool = False,
        shown_from: int | None = None,
        within_seconds: float,
    ) -> Heard:
        """Say something, once what was said before is answered; return the answer.

        While the answer is that there is no room, it goes on, however long that is.

        Raises:
            UnansweredError: nobody has answered within that time.
        """
        self._number += 1
        said = Said(
            task_id=self._task_id,
            speaker=self._speaker,
            number=self._number,
            data=data,
            is_end=is_end,
            window=window,
            watches=watches,
            shown_from=shown_from,
        )
        while True:
            answer = await self._say(said, within_seconds=within_seconds)
            if not answer.answer.is_busy:
                return answer
            await asyncio.sleep(BUSY_SECONDS)

    def hear(self, heard: Heard) -> None:
        """Take an answer, if it is one to what was said last."""
        if heard.speaker == self._speaker and heard.number == self._number:
            self._answer = heard
            self._answered.set()

    async def _say(self, said: Said, *, within_seconds: float) -> Heard:
        self._answer = None
        self._answered.clear()
        try:
            async with asyncio.timeout(within_seconds):
                while self._answer is None:
                    await self._say_once(said)
        except TimeoutError:
            raise UnansweredError(f"nothing answers for task {self._task_id}") from None
        return self._answer

    async def _say_once(self, said: Said) -> None:
        try:
            await self._bus.publish(said)
        except BusUnavailableError:
            await asyncio.sleep(AGAIN_SECONDS)
            return
        try:
            async with asyncio.timeout(AGAIN_SECONDS):
                await self._answered.wait()
        except TimeoutError:
            return


@asynccontextmanager
async def open_caller(bus: Bus, task_id: TaskId) -> AsyncGenerator[Caller]:
    """Give a caller who hears answers alone."""
    caller = Caller(bus, task_id)
    async with (
        bus.subscribe(Heard, task_ids={task_id}) as answers,
        beside(_hear(caller, answers), name="hear answers"),
    ):
        yield caller


async def _hear(caller: Caller, answers: Subscription[Heard]) -> Never:
    async for heard in answers:
        if isinstance(heard, Heard):
            caller.hear(heard)
    raise AssertionError("a subscription ended")
