"""Connect people with attempts that run here, over the bus.

An attempt that can be spoken with listens on a channel of its own, for as long as it runs; the
others cost nothing. What it prints goes to the bus only while somebody watches, who says so again
every few seconds. The last of it is remembered, so that who comes later sees where it stands.

However fast a program prints and however slow a watcher is, an attempt costs `REMEMBERED_BYTES`
twice: what is not on its way yet when that is full is not shown, and the watcher reads it in the
store. Whoever says something again gets the same answer again: it is done once.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Never
from uuid import uuid4

from hive_bus.beside import beside
from hive_bus.bus import Bus
from hive_contracts.clocks import Clock
from hive_contracts.conversing import Answer, Heard, Hearing, Said, Shown
from hive_contracts.errors import BusUnavailableError
from hive_contracts.ids import TaskId

__all__ = ["BusSwitchboard"]

REMEMBERED_BYTES: Final = 64 * 1024
SHOWN_AT_ONCE_BYTES: Final = 32 * 1024
PAUSE_SECONDS: Final = 0.01
"""Between two frames: a person reads no more than 3 MB/s, and Redis has others to serve."""

WATCH_SECONDS: Final = 6.0
"""How long who watches need not say so again."""

AWAY_SECONDS: Final = 0.5
MOST_SPEAKERS: Final = 1000
"""Whose last words are remembered, for the case that they are said again."""


class BusSwitchboard:
    """Connects people with attempts. Satisfies `hive_contracts.conversing.Switchboard`."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    @asynccontextmanager
    async def open(
        self, task_id: TaskId, hear: Hearing, *, position: int
    ) -> "AsyncGenerator[BusConversation]":
        """Let people speak with an attempt of a task until the context closes."""
        conversation = BusConversation(self._bus, task_id, hear, self._clock, position)
        async with beside(conversation.run(), name=f"speak with task {task_id}"):
            yield conversation


class BusConversation:
    """One attempt and those who speak with it."""

    def __init__(
        self, bus: Bus, task_id: TaskId, hear: Hearing, clock: Clock, position: int
    ) -> None:
        self._bus = bus
        self._task_id = task_id
        self._name = uuid4().hex
        self._hear = hear
        self._clock = clock
        self._answers: dict[str, tuple[int, Answer]] = {}
        self._remembered = bytearray()
        self._end = position
        """How much the attempt has printed, in bytes, what came before the conversation as well."""

        self._shown = position
        """Up to where it is on its way to those who watch."""

        self._watched_until = clock.seconds()
        self._changed = asyncio.Event()

    def show(self, data: bytes) -> None:
        """Show the next bytes to those who watch, soon; remember the last of them."""
        self._remembered += data
        self._end += len(data)
        if len(self._remembered) > 2 * REMEMBERED_BYTES:
            del self._remembered[:-REMEMBERED_BYTES]
        if self._is_watched:
            self._changed.set()
        else:
            self._shown = self._end

    @property
    def remembered_bytes(self) -> int:
        """How much of what was printed is kept for who comes later."""
        return len(self._remembered)

    async def run(self) -> Never:
        """Listen and show until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="listen")
            group.create_task(self._keep_showing(), name="show")
        raise AssertionError("a conversation ended by itself")

    @property
    def _is_watched(self) -> bool:
        return self._clock.seconds() < self._watched_until

    async def _listen(self) -> None:
        async with self._bus.subscribe(Said, task_ids={self._task_id}) as frames:
            async for frame in frames:
                if isinstance(frame, Said):
                    self._take(frame)

    def _take(self, said: Said) -> None:
        number, answer = self._answers.get(said.speaker, (0, None))
        if answer is None or number < said.number:
            answer = self._hear(said)
            if not answer.is_busy:
                self._answers.pop(said.speaker, None)
                self._answers[said.speaker] = said.number, answer
                if len(self._answers) > MOST_SPEAKERS:
                    del self._answers[next(iter(self._answers))]
            if said.watches and answer.refusal is None:
                self._watch(said.shown_from)
        self._bus.tell(
            Heard(
                task_id=self._task_id,
                speaker=said.speaker,
                number=said.number,
                conversation=self._name,
                answer=answer,
            )
        )

    def _watch(self, shown_from: int | None) -> None:
        self._watched_until = self._clock.seconds() + WATCH_SECONDS
        if shown_from is not None:
            self._shown = min(self._shown, shown_from)
            self._changed.set()

    async def _keep_showing(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._is_watched and self._shown < self._end:
                await self._show_next()

    async def _show_next(self) -> None:
        begin = self._end - len(self._remembered)
        place = max(self._shown, begin)
        data = bytes(self._remembered[place - begin : place - begin + SHOWN_AT_ONCE_BYTES])
        self._shown = place + len(data)
        try:
            await self._bus.publish(
                Shown(task_id=self._task_id, conversation=self._name, position=place, data=data)
            )
        except BusUnavailableError:
            # Who watches has heard a gap, and asks for what is missing.
            await asyncio.sleep(AWAY_SECONDS)
        else:
            await asyncio.sleep(PAUSE_SECONDS)
