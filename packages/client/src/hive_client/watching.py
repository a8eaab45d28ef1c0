"""What one caller waits for: its tasks that have not ended, and the results it has not taken.

A watch holds the results of one look at most. While it holds any, nothing more is read for it; what
is said of its tasks meanwhile is kept, and looked into when the last result has been taken.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from hive_contracts.ids import TaskId
from hive_store import EndedTask

__all__ = ["Watch"]


class Watch:
    """Some tasks, each told of once when it has ended. Get one from `Lookout.watch`."""

    def __init__(self, task_ids: Iterable[TaskId], *, drained: "Callable[[Watch], None]") -> None:
        """Make a watch; `drained` is called when the last result that it held was taken."""
        self.pending = dict.fromkeys(task_ids)
        """The tasks that have not ended, as far as is known."""

        self.unchecked = set(self.pending)
        """Those that may not exist, as far as is known; nothing is told while there are any."""

        self._hinted: dict[TaskId, None] = {}
        self._rest: list[TaskId] = []
        self._results: deque[EndedTask] = deque()
        self._error: Exception | None = None
        self._came = asyncio.Event()
        self._drained = drained

    @property
    def has_room(self) -> bool:
        """Whether results may be read for it."""
        return not self._results and not self.unchecked

    def note_known(self, task_id: TaskId) -> bool:
        """Note that there is such a task; return whether it was the last to be checked."""
        was_unchecked = task_id in self.unchecked
        self.unchecked.discard(task_id)
        return was_unchecked and not self.unchecked

    def hint(self, task_id: TaskId) -> None:
        """Note that a task is said to have ended."""
        self._hinted[task_id] = None

    def begin_round(self) -> None:
        """Have all that is pending looked at once."""
        self._rest = [*self.pending][::-1]

    def take_hints(self, limit: int) -> list[TaskId]:
        """Return, once each, up to `limit` tasks that are said to have ended."""
        taken = list(islice(self._hinted, limit))
        for task_id in taken:
            del self._hinted[task_id]
        return taken

    def take_rest(self, limit: int) -> list[TaskId]:
        """Return up to `limit` tasks that have not been looked at in this round."""
        taken: list[TaskId] = []
        while self._rest and len(taken) < limit:
            task_id = self._rest.pop()
            if task_id in self.pending:
                taken.append(task_id)
        return taken

    def tell(self, ended: EndedTask) -> None:
        """Hand over a result."""
        del self.pending[ended.id]
        self._results.append(ended)
        self._came.set()

    def fail(self, error: Exception) -> None:
        """Have the caller's next question end with `error`."""
        self._error = error
        self._came.set()

    async def next(self) -> EndedTask | None:
        """Return one that has ended; None once all have been returned.

        Raises:
            UnknownTaskError: there is no task of one of the ids, and nothing was returned before;
                or there is none any more.
        """
        while not self._results:
            if self._error is not None:
                raise self._error
            if not self.pending:
                return None
            self._came.clear()
            await self._came.wait()
        ended = self._results.popleft()
        if not self._results:
            self._drained(self)
        return ended
