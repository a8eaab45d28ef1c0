"""Watch tasks until each has ended: look where a hint points, and at all of them now and then.

A look asks for `LOOK_TASKS` tasks at most, so that neither the store nor the memory here feels how
many are watched: for tasks that go on, 1,000 take half a millisecond, a round over 100,000 some 50.
A round begins a second after the last one (a tenth of a second without a bus), or after ten times
what that one took, if that is longer. A Postgres that is away is asked again until it answers.
"""

import asyncio
import logging
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager, nullcontext
from typing import Final

from hive_client.news import Ear, News
from hive_contracts.errors import StoreUnavailableError, UnknownTaskError
from hive_contracts.ids import TaskId
from hive_store import EndedTask, TaskStore

__all__ = ["Watch"]

LOOK_TASKS: Final = 1000
POLL_SECONDS: Final = 1.0
"""How long a lost hint can delay the news of a result."""

POLL_WITHOUT_BUS_SECONDS: Final = 0.1
ROUNDS_TAKE: Final = 0.1
"""Most of the time that is spent on rounds."""

PAUSE_SECONDS: Final = 0.2
"""Before Postgres is asked again when it did not answer."""

log = logging.getLogger(__name__)


class Watch:
    """Some tasks, each told of once when it has ended."""

    def __init__(self, tasks: TaskStore, news: News, ear: Ear, task_ids: Iterable[TaskId]) -> None:
        self._tasks = tasks
        self._news = news
        self._ear = ear
        self._pending = dict.fromkeys(task_ids)
        self._unchecked = list(self._pending)
        self._rounds = Rounds(self._pending, has_news=news.is_live)
        self._is_away = False

    async def next_ended(self) -> list[EndedTask]:
        """Return some that have ended since; none once all have.

        Outlives a Postgres that is away.

        Raises:
            UnknownTaskError: there is no such task.
        """
        await self._news.begin()
        while self._pending:
            try:
                await self._refuse_unknown()
                ended = await self._look()
            except StoreUnavailableError as error:
                await self._sit_out(error)
                continue
            self._note_that_it_answers()
            if ended:
                return ended
        return []

    async def _refuse_unknown(self) -> None:
        while self._unchecked:
            for unknown in await self._tasks.find_unknown(self._unchecked[-LOOK_TASKS:]):
                raise UnknownTaskError(unknown)
            del self._unchecked[-LOOK_TASKS:]

    async def _look(self) -> list[EndedTask]:
        hinted = self._ear.take(LOOK_TASKS)
        part = self._rounds.next_part(LOOK_TASKS - len(hinted))
        if not hinted and not part:
            if await self._ear.wait(seconds=self._rounds.pause_seconds()):
                self._rounds.begin()
            return []
        with self._rounds.timed() if part else nullcontext():
            found = await self._tasks.read_ended(list({*hinted, *part}))
        ended = [task for task in found if task.id in self._pending]
        for task in ended:
            del self._pending[task.id]
        return ended

    async def _sit_out(self, error: StoreUnavailableError) -> None:
        if not self._is_away:
            log.warning("%s; still trying", error)
        self._is_away = True
        await asyncio.sleep(PAUSE_SECONDS)
        # What was asked for when it went has not been answered.
        self._rounds.begin()

    def _note_that_it_answers(self) -> None:
        if self._is_away:
            log.warning("Postgres is back")
        self._is_away = False


class Rounds:
    """Which of the pending tasks to look at, hint or no hint: all of them, again and again."""

    def __init__(self, pending: Collection[TaskId], *, has_news: bool) -> None:
        self._pending = pending
        self._poll_seconds = POLL_SECONDS if has_news else POLL_WITHOUT_BUS_SECONDS
        self.begin()

    def begin(self) -> None:
        """Begin a round now, whether or not the last one is over."""
        self._left = [*self._pending][::-1]
        self._cost_seconds = 0.0
        self._next_at = self._now() + self._poll_seconds

    def next_part(self, limit: int) -> list[TaskId]:
        """Return up to `limit` tasks to look at now; none if the next round is not due."""
        if not self._left and self.pause_seconds() <= 0:
            self.begin()
        part: list[TaskId] = []
        while self._left and len(part) < limit:
            task_id = self._left.pop()
            if task_id in self._pending:
                part.append(task_id)
        return part

    def pause_seconds(self) -> float:
        """Return how long it is until the next round is due."""
        return self._next_at - self._now()

    @contextmanager
    def timed(self) -> Generator[None]:
        """Count what the body takes as a cost of this round: a dear one is not soon repeated."""
        began = self._now()
        try:
            yield
        finally:
            now = self._now()
            self._cost_seconds += now - began
            self._next_at = max(self._next_at, now + self._cost_seconds / ROUNDS_TAKE)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
