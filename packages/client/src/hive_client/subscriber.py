"""A reader of the event log whose place is kept in Postgres, under a name.

At least once: what was given out and not committed before the reader ended, however it ended, is
given out again. A name has one reader at a time. It is held for half a minute and renewed while the
client lives, by a loop beside whatever the reader does; a reader that was frozen for longer than
that finds out at its next step, and can commit nothing.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, Never
from uuid import UUID, uuid4

from hive_bus.beside import beside
from hive_client.event_stream import EventStream
from hive_contracts.errors import LostNameError, StoreUnavailableError, UsageError
from hive_contracts.events import Cursor, Event
from hive_store import SubscriberStore

__all__ = ["Names", "Subscriber"]

HELD: Final = timedelta(seconds=30)
RENEW_SECONDS: Final = HELD.total_seconds() / 3
IDLE_STORE_SECONDS: Final = 10.0
"""How often a place is stored that has moved over events that nobody wanted."""


class Names:
    """The names that this client reads under. Get it from `open`."""

    def __init__(self, store: SubscriberStore) -> None:
        self._store = store
        self._held: dict[str, UUID] = {}
        self._some = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, store: SubscriberStore) -> "AsyncGenerator[Names]":
        """Give it, and renew what is held for as long as the context lasts."""
        names = cls(store)
        async with beside(names._renew(), name="hold names of subscribers"):
            yield names

    async def take(self, name: str, *, begin: Cursor) -> tuple[UUID, Cursor]:
        """Take a name; return who holds it now, and how far it has come.

        Raises:
            UsageError: it is no name, or another reads under it.
        """
        if not 1 <= len(name) <= 200 or name != name.strip() or not name.isprintable():  # noqa: PLR2004 - as in the message
            raise UsageError(f"a subscriber has a name of 1 to 200 printable characters: {name!r}")
        holder = uuid4()
        place = await self._store.hold(
            name, holder, host=socket.gethostname(), pid=os.getpid(), held=HELD, begin=begin
        )
        if place is None:
            other = await self._store.holder_of(name)
            who = f"process {other.pid} on {other.host} reads" if other else "another has just read"
            raise UsageError(
                f"{who} as subscriber {name!r}: a name has one reader at a time, and is free"
                f" {HELD.total_seconds():.0f} s after its reader was last heard of"
            )
        self._held[name] = holder
        self._some.set()
        return holder, place

    def still_has(self, name: str, holder: UUID) -> bool:
        """Return whether the name is still that holder's, as far as is known."""
        return self._held.get(name) == holder

    async def move(self, name: str, holder: UUID, to: Cursor) -> None:
        """Note how far a name has come.

        Raises:
            LostNameError: another has taken it.
        """
        if not self.still_has(name, holder) or not await self._store.move(name, holder, to):
            self._drop(name, holder)
            raise LostNameError(name)

    async def give_back(self, name: str, holder: UUID) -> None:
        """Let another read under the name."""
        if self.still_has(name, holder):
            self._drop(name, holder)
            await self._store.free(name, holder)

    def _drop(self, name: str, holder: UUID) -> None:
        if self.still_has(name, holder):
            del self._held[name]

    async def _renew(self) -> Never:
        while True:
            await self._some.wait()
            await asyncio.sleep(RENEW_SECONDS)
            asked = dict(self._held)
            if not asked:
                self._some.clear()
                continue
            try:
                kept = await self._store.renew(asked, held=HELD)
            except StoreUnavailableError:
                # Nobody else can take a name meanwhile either.
                continue
            for name in asked.keys() - kept:
                self._drop(name, asked[name])


class Subscriber:
    """Gives each event, in the order of the log. Get one from `Hive.subscriber`."""

    def __init__(
        self, name: str, holder: UUID, names: Names, stream: EventStream, *, commits: bool
    ) -> None:
        self.name = name
        self._holder = holder
        self._names = names
        self._stream = stream
        self._commits = commits
        self._page: deque[Event] = deque()
        self._given = self._handled = self._stored = stream.cursor
        self._stirring = stream.news.stirring()
        self._stirred = self._stirring.__enter__()
        self._stored_at = self._now()

    @property
    def cursor(self) -> Cursor:
        """The place that is stored: a reader that comes now would go on behind it."""
        return self._stored

    def __aiter__(self) -> "Subscriber":
        return self

    async def __anext__(self) -> Event:
        """Return the next event, once there is one. What was returned before has been handled.

        Raises:
            LostNameError: another process has taken the name.
            LostEventsError: the log does not hold all that came behind the place; `go_to` goes on.
        """
        self._handled = self._given
        had_some = self._stored != self._given
        while not self._page:
            if not self._names.still_has(self.name, self._holder):
                raise LostNameError(self.name)
            self._handled = self._given = self._stream.cursor
            if self._commits and (had_some or self._is_idle()):
                await self._store_if_it_answers()
                had_some = False
            self._page.extend(await self._stream.read_on(self._stirred))
        event = self._page.popleft()
        self._given = (event.cursor or self._given) if self._page else self._stream.cursor
        return event

    async def commit(self) -> None:
        """Note that everything that was given out has been handled.

        Raises:
            LostNameError: another process has taken the name, and the note is not made.
            StoreUnavailableError: Postgres did not answer; commit again.
        """
        self._handled = self._given
        await self._store(self._handled)

    async def go_to(self, cursor: Cursor) -> None:
        """Go on behind `cursor`, and note it: over what is lost, or back to something."""
        await self._store(cursor)
        self._page.clear()
        self._stream.cursor = self._given = self._handled = cursor

    async def close(self) -> None:
        """Note what has been handled, if that is not left to `commit`, and give the name back.

        The event that was given out last counts as not handled.
        """
        self._stirring.__exit__(None, None, None)
        try:
            if self._commits and self._names.still_has(self.name, self._holder):
                await self._store(self._handled)
            await self._names.give_back(self.name, self._holder)
        except (StoreUnavailableError, LostNameError):
            # Then the time of the name runs out, and what was not noted is given out again.
            return

    def _is_idle(self) -> bool:
        return self._now() - self._stored_at >= IDLE_STORE_SECONDS

    async def _store_if_it_answers(self) -> None:
        try:
            await self._store(self._handled)
        except StoreUnavailableError:
            # The next read waits until Postgres is back, and the place is stored after it.
            return

    async def _store(self, place: Cursor) -> None:
        if place != self._stored:
            await self._names.move(self.name, self._holder, place)
            self._stored, self._stored_at = place, self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
