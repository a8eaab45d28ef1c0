"""At most so many tasks of a group at once: the others are in Postgres too, but held back.

All are submitted held, and whoever watches the group lets the next one go as one ends. Without a
watcher no further task starts: the limit holds, nothing is lost, and the next watcher goes on.
"""

import asyncio
from typing import Final, Never

from hive.tasks.outages import PAUSE_SECONDS
from hive.tasks.reaching import View
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_store import TaskSummary
from hive_store.submitting import HELD_UNTIL

__all__ = ["OPEN", "Gate", "is_held"]

OPEN: Final = frozenset(TaskState) - TERMINAL_STATES
PAGE: Final = 1000


def is_held(task: TaskSummary) -> bool:
    """Return whether a task waits for a gate to let it go."""
    return task.state is TaskState.SCHEDULED and task.run_at == HELD_UNTIL


class Gate:
    """Lets held tasks of one group go, in the order in which they were submitted."""

    def __init__(self, view: View, group: str, *, jobs: int) -> None:
        self._view = view
        self._group = group
        self._jobs = jobs
        self._gone: set[TaskId] = set()
        self._last: TaskId | None = None
        self._may_have_more = True
        self._is_sure = False
        self._called = asyncio.Event()
        self._called.set()

    def note_end(self, task_id: TaskId) -> None:
        """Take note that a task has ended, so that another may go."""
        self._gone.discard(task_id)
        self._called.set()

    def expect_more(self) -> None:
        """Take note that there may be held tasks which were not there, or locked, before."""
        self._may_have_more = True
        self._called.set()

    async def run(self) -> Never:
        """Let tasks go whenever there is room.

        While Postgres is away, none goes. Nobody knows then what became of a release whose answer
        was lost, so afterwards it looks first what is under way.
        """
        while True:
            await self._called.wait()
            self._called.clear()
            try:
                if not self._is_sure:
                    await self._look()
                while self._may_have_more and self._room:
                    await self._release()
            except StoreUnavailableError:
                self._is_sure = False
                self._called.set()
                await asyncio.sleep(PAUSE_SECONDS)

    @property
    def _room(self) -> int:
        return max(0, self._jobs - len(self._gone))

    async def _look(self) -> None:
        gone: set[TaskId] = set()
        last: TaskId | None = None
        open_ones = Selection(group=self._group, states=OPEN)
        while page := await self._view.selector.page(open_ones, limit=PAGE, before=last):
            gone.update(task.id for task in page if not is_held(task))
            last = page[-1].id
        self._gone = gone
        self._is_sure = True

    async def _release(self) -> None:
        released = await self._view.tasks.release_held(
            self._group, limit=min(self._room, PAGE), after=self._last
        )
        self._gone.update(released)
        # Those that were locked have been stepped over: at the end it begins anew, once.
        self._may_have_more = bool(released) or self._last is not None
        self._last = released[-1] if released else None
