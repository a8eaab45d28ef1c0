"""A terminal of a person and the terminal of an attempt, as one, until one of them leaves.

What is typed goes in order: while one piece is under way, what comes meanwhile gathers, and goes as
the next. What is shown has its place in the attempt's output, so that nothing appears twice; what
was lost on the way is asked for again, and what the worker does not remember any more is left out.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Never

from hive.talking.caller import Caller, UnansweredError
from hive.talking.keys import DETACH
from hive.talking.own_terminal import OwnTerminal
from hive_bus.beside import beside
from hive_bus.bus import Bus
from hive_bus.gap import Gap
from hive_bus.subscription import Subscription
from hive_contracts.conversing import NO_TERMINAL, Heard, Shown
from hive_contracts.ids import TaskId

__all__ = ["Session"]

WATCH_SECONDS: Final = 2.0
"""How often to say that somebody watches."""

PATIENCE_SECONDS: Final = 5.0
"""What nobody has taken by then is gone, as what is typed at a terminal that nobody reads."""

AT_ONCE_BYTES: Final = 16 * 1024


class Session:
    """One person at the terminal of one task."""

    def __init__(self, bus: Bus, task_id: TaskId, terminal: OwnTerminal) -> None:
        self.detached = asyncio.Event()
        """Set when the person leaves, or is refused."""

        self.refusal: str | None = None
        """Why nobody can sit there; None unless the worker has said so."""

        self.position = 0
        """How much of its output has been shown, or been left out."""

        self._bus = bus
        self._task_id = task_id
        self._terminal = terminal
        self._caller = Caller(bus, task_id)
        self._conversation: str | None = None
        self._past: set[str] = set()
        self._typed = bytearray()
        self._shown_from: int | None = 0
        self._is_resized = True
        self._wanted = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Be at the terminal until the context ends."""
        lent = self._terminal.lent(
            on_typed=self._type, on_resized=self._resize, on_ending=self.detached.set
        )
        async with self._bus.subscribe(Heard, Shown, task_ids={self._task_id}) as frames:
            with lent:
                async with (
                    beside(self._listen(frames), name="listen"),
                    beside(self._keep_speaking(), name="speak"),
                ):
                    yield

    def show(self, position: int, data: bytes) -> None:
        """Show what has not been shown of `data`, which stands at `position` of the output."""
        new = data[max(0, self.position - position) :]
        if new:
            self.position = position + len(data)
            self._terminal.write(new)

    def _type(self, data: bytes) -> None:
        before, key, _ = data.partition(DETACH)
        self._typed += before
        if key:
            self.detached.set()
        self._wanted.set()

    def _resize(self) -> None:
        self._is_resized = True
        self._wanted.set()

    async def _listen(self, frames: Subscription[Heard | Shown]) -> None:
        async for frame in frames:
            match frame:
                case Heard():
                    self._caller.hear(frame)
                case Shown():
                    if self._is_with(frame.conversation):
                        self.show(frame.position, frame.data)
                case Gap():
                    self._shown_from = self.position
                    self._wanted.set()

    def _is_with(self, conversation: str) -> bool:
        """Return whether it is the one that goes on; one that is new begins, and ends the other."""
        if conversation == self._conversation:
            return True
        if conversation in self._past:
            return False
        if self._conversation is not None:
            self._past.add(self._conversation)
            self._shown_from, self._is_resized = 0, True
            self._wanted.set()
        self._conversation, self.position = conversation, 0
        return True

    async def _keep_speaking(self) -> Never:
        while True:
            await self._speak()
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _speak(self) -> None:
        """Say what there is to say, or that somebody watches."""
        self._wanted.clear()
        data = bytes(self._typed[:AT_ONCE_BYTES])
        del self._typed[:AT_ONCE_BYTES]
        shown_from, self._shown_from = self._shown_from, None
        is_resized, self._is_resized = self._is_resized, False
        try:
            heard = await self._caller.say(
                data,
                window=self._terminal.size if is_resized else None,
                watches=True,
                shown_from=shown_from,
                within_seconds=PATIENCE_SECONDS,
            )
        except UnansweredError:
            # Between two attempts there is nobody to type to, as at a terminal that hangs.
            self._shown_from, self._is_resized = self.position, True
            return
        if heard.answer == NO_TERMINAL:
            self.refusal = heard.answer.refusal
            self.detached.set()
        self._is_with(heard.conversation)
        if self._typed:
            self._wanted.set()
