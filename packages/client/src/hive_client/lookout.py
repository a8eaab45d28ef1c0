"""Look for ends on behalf of everybody who waits: where a hint points, and at all now and then.

However many wait in one client, for however many tasks, one loop looks for all of them. A look asks
for `LOOK_TASKS` tasks at most, whoever waits for them: for tasks that go on, 1,000 take half a
millisecond, a round over 100,000 some 50. A round begins a second after the last one (a tenth of a
second without a bus), or after ten times what that one took, if that is longer. A Postgres that is
away is asked again until it answers. Any other error ends the wait of all who wait.

A task can be deleted while somebody waits for it (retention, `hive prune`): now and then a round
asks which are still there.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from itertools import islice
from typing import Final, Never

from hive_bus.beside import beside
from hive_bus.bus import Bus
from hive_client.news import News
from hive_client.watching import Watch
from hive_contracts.errors import StoreUnavailableError, UnknownTaskError
from hive_contracts.ids import TaskId
from hive_store import TaskStore

__all__ = ["Lookout"]

LOOK_TASKS: Final = 1000
POLL_SECONDS: Final = 1.0
"""How long a lost hint can delay the news of a result."""

POLL_WITHOUT_BUS_SECONDS: Final = 0.1
ROUNDS_TAKE: Final = 0.1
"""Most of the time that is spent on rounds."""

CHECK_ROUNDS: Final = 10
"""After so many rounds it is asked again whether the tasks are still there."""

PAUSE_SECONDS: Final = 0.2
"""Before Postgres is asked again when it did not answer."""

log = logging.getLogger(__name__)


class Lookout:
    """Tells every watch of its tasks. Get one from `open`."""

    def __init__(self, tasks: TaskStore, bus: Bus | None) -> None:
        self._tasks = tasks
        self.news = News(bus, hear=self._hear, miss=self._begin_round)
        """What is heard of the ends of tasks."""

        self._watches: dict[Watch, None] = {}
        self._by_task: dict[TaskId, dict[Watch, None]] = {}
        self._unchecked: dict[TaskId, None] = {}
        self._hinted: dict[Watch, None] = {}
        self._in_round: dict[Watch, None] = {}
        self._pace = Pace(POLL_SECONDS if bus is not None else POLL_WITHOUT_BUS_SECONDS)
        self._rounds = 0
        self._stirred = asyncio.Event()
        self._is_away = False

    @classmethod
    @asynccontextmanager
    async def open(cls, tasks: TaskStore, bus: Bus | None) -> "AsyncGenerator[Lookout]":
        """Give a lookout over a store and a bus; without one, ends are noticed by looking."""
        lookout = cls(tasks, bus)
        async with (
            beside(lookout.news.listen(), name="hear of ends"),
            beside(lookout._run(), name="look for ends"),
        ):
            yield lookout

    @property
    def awaited(self) -> int:
        """How many tasks somebody waits for."""
        return len(self._by_task)

    @contextmanager
    def watch(self, task_ids: Iterable[TaskId]) -> Generator[Watch]:
        """Give a watch over these tasks, for as long as the context lasts."""
        watch = Watch(task_ids, drained=self._drained)
        wanted = [*watch.pending]
        self._watches[watch] = None
        for task_id in wanted:
            self._by_task.setdefault(task_id, {})[watch] = None
            self._unchecked[task_id] = None
        self._stirred.set()
        try:
            yield watch
        finally:
            self._drop(watch)
            for task_id in wanted:
                self._forget(task_id, watch)

    def _forget(self, task_id: TaskId, watch: Watch) -> None:
        watches = self._by_task[task_id]
        del watches[watch]
        if not watches:
            del self._by_task[task_id]
            self._unchecked.pop(task_id, None)

    def _drop(self, watch: Watch) -> None:
        for watches in (self._watches, self._hinted, self._in_round):
            watches.pop(watch, None)

    def _watching(self, task_id: TaskId) -> list[Watch]:
        return [
            watch
            for watch in self._by_task.get(task_id, ())
            if watch in self._watches and task_id in watch.pending
        ]

    def _hear(self, task_ids: Sequence[TaskId]) -> None:
        for task_id in task_ids:
            for watch in self._watching(task_id):
                watch.hint(task_id)
                self._hinted[watch] = None
                self._stirred.set()

    def _drained(self, watch: Watch) -> None:
        # What came while there was no room.
        if watch in self._watches:
            self._hinted[watch] = self._in_round[watch] = None
            self._stirred.set()

    def _begin_round(self) -> None:
        self._rounds += 1
        for watch in self._watches:
            watch.begin_round()
            if self._rounds % CHECK_ROUNDS == 0:
                self._unchecked |= watch.pending
        self._in_round = dict(self._watches)
        self._pace.begin_round()
        self._stirred.set()

    async def _run(self) -> Never:
        while True:
            self._stirred.clear()
            try:
                is_busy = await self._check() or await self._look()
            except StoreUnavailableError as error:
                await self._sit_out(error)
                continue
            except Exception as error:  # noqa: BLE001 - raised where somebody waits
                self._give_up([*self._watches], error)
                continue
            if is_busy:
                self._note_that_it_answers()
            else:
                await self._pause()

    async def _check(self) -> bool:
        """See whether there are the tasks that watches name; return whether any was to be seen."""
        taken = list(islice(self._unchecked, LOOK_TASKS))
        if not taken:
            return False
        # What is said from now on is heard, and what was said before is found by looking.
        await self.news.begin()
        if asked := [task_id for task_id in taken if self._watching(task_id)]:
            for task_id in await self._tasks.find_unknown(asked):
                self._give_up(self._watching(task_id), UnknownTaskError(task_id))
        for task_id in taken:
            self._unchecked.pop(task_id, None)
            for watch in self._watching(task_id):
                if watch.note_known(task_id):
                    watch.begin_round()
                    self._in_round[watch] = None
        return True

    async def _look(self) -> bool:
        """Look at some tasks, tell of those that have ended; return whether any was looked at."""
        if not self._in_round and self._pace.pause_seconds() <= 0:
            self._begin_round()
        hinted = self._take(self._hinted, Watch.take_hints, LOOK_TASKS)
        part = self._take(self._in_round, Watch.take_rest, LOOK_TASKS - len(hinted))
        if not hinted and not part:
            return False
        with self._pace.timed() if part else nullcontext():
            found = await self._tasks.read_ended([*(hinted | part)])
        told = [(ended, watch) for ended in found for watch in self._watching(ended.id)]
        with_room = {watch for _, watch in told if watch.has_room}
        for ended, watch in told:
            if watch in with_room:
                watch.tell(ended)
            else:
                watch.hint(ended.id)
        return True

    def _take(
        self,
        watches: dict[Watch, None],
        take: Callable[[Watch, int], list[TaskId]],
        limit: int,
    ) -> dict[TaskId, None]:
        """Return up to `limit` tasks of `watches`; who has none left or no room leaves them."""
        taken: dict[TaskId, None] = {}
        for watch in [*watches]:
            room = limit - len(taken)
            if not room:
                break
            some = take(watch, room) if watch.has_room else []
            taken |= dict.fromkeys(some)
            del watches[watch]
            if len(some) == room:
                # There may be more of it; another goes first next time.
                watches[watch] = None
        return taken

    def _give_up(self, watches: Iterable[Watch], error: Exception) -> None:
        for watch in watches:
            self._drop(watch)
            watch.fail(error)

    async def _pause(self) -> None:
        """Return when there is something to do: at once if there is already."""
        if not self._watches:
            await self._stirred.wait()
            return
        try:
            async with asyncio.timeout(max(0, self._pace.pause_seconds())):
                await self._stirred.wait()
        except TimeoutError:
            return

    async def _sit_out(self, error: StoreUnavailableError) -> None:
        if not self._is_away:
            log.warning("%s; still trying", error)
        self._is_away = True
        await asyncio.sleep(PAUSE_SECONDS)
        # What was asked for when it went has not been answered.
        self._begin_round()

    def _note_that_it_answers(self) -> None:
        if self._is_away:
            log.warning("Postgres is back")
        self._is_away = False


class Pace:
    """When the next round is due: a dear one is not soon repeated."""

    def __init__(self, poll_seconds: float) -> None:
        self._poll_seconds = poll_seconds
        self._cost_seconds = 0.0
        self._next_at = 0.0

    def begin_round(self) -> None:
        """Note that a round begins."""
        self._cost_seconds = 0.0
        self._next_at = self._now() + self._poll_seconds

    def pause_seconds(self) -> float:
        """Return how long it is until the next round is due."""
        return self._next_at - self._now()

    @contextmanager
    def timed(self) -> Generator[None]:
        """Count what the body takes as a cost of this round."""
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
