"""Do something to many tasks, batch by batch, and know of each what became of it.

A statement steps over tasks that another transaction holds at that moment. They are put aside, and
asked again after all others, until each has answered or the patience is over.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hive.bulk.panel import Panel
from hive.many.targets import batches
from hive.tasks.reaching import View
from hive.words import counted
from hive_contracts.clocks import BootClock
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import LAST_TASK_ID, TaskId
from hive_contracts.states import TaskState

__all__ = ["Ask", "Deed", "Tally", "sweep"]

PATIENCE_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.2
LEASED: Final = frozenset({TaskState.DISPATCHED, TaskState.RUNNING})

Ask: TypeAlias = Callable[[Sequence[TaskId]], Awaitable[Mapping[TaskId, TaskState]]]
"""Does it to tasks; returns those it was done to, with the state each is in now."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be done."""

    states: Collection[TaskState]
    """It can be done to tasks in these."""

    ask: Ask


@dataclass(slots=True)
class Tally:
    """What became of the tasks."""

    done: Counter[TaskState] = field(default_factory=Counter[TaskState])
    """How many it was done to, by the state they are in now."""

    stopping: list[TaskId] = field(default_factory=list[TaskId])
    """Of those, the ones that have not ended yet."""

    unfit: dict[TaskState, list[TaskId]] = field(default_factory=dict[TaskState, list[TaskId]])
    """By their state: those that it cannot be done to."""

    unknown: list[TaskId] = field(default_factory=list[TaskId])
    held: list[TaskId] = field(default_factory=list[TaskId])
    """Those that another transaction held all the time."""

    @property
    def count(self) -> int:
        """How many tasks have been seen to."""
        unfit = sum(map(len, self.unfit.values()))
        return self.done.total() + unfit + len(self.unknown) + len(self.held)


async def sweep(view: View, deed: Deed, task_ids: Sequence[TaskId]) -> Tally:
    """Do it to the tasks.

    Raises:
        StoreUnavailableError: Postgres did not answer; how far it came has been said.
    """
    sweeping, panel = _Sweep(view, deed), Panel()
    try:
        for batch in batches(task_ids):
            await sweeping.take(batch)
            if panel.is_due:
                panel.draw([f"{sweeping.tally.count:,} of {counted(len(task_ids), 'task')}"])
        await sweeping.take_what_was_held()
    except StoreUnavailableError:
        panel.note(
            f"hive: {sweeping.tally.count:,} of {counted(len(task_ids), 'task')} have been seen to;"
            " the same command once more sees to the rest"
        )
        raise
    panel.erase()
    return sweeping.tally


class _Sweep:
    def __init__(self, view: View, deed: Deed) -> None:
        self._view = view
        self._deed = deed
        self._held: list[TaskId] = []
        self.tally = Tally()

    async def take(self, batch: Sequence[TaskId]) -> None:
        possible = [task_id for task_id in batch if task_id <= LAST_TASK_ID]
        done = await self._deed.ask(possible)
        self.tally.done.update(done.values())
        self.tally.stopping += [i for i, state in done.items() if state in LEASED]
        if len(done) < len(batch):
            states = await self._view.tasks.states([i for i in possible if i not in done])
            self._sort([i for i in batch if i not in done], states)

    async def take_what_was_held(self) -> None:
        clock = BootClock()
        give_up_at = clock.seconds() + PATIENCE_SECONDS
        while self._held and clock.seconds() < give_up_at:
            await asyncio.sleep(PAUSE_SECONDS)
            held, self._held = self._held, []
            for batch in batches(held):
                await self.take(batch)
        self.tally.held = self._held

    def _sort(self, rest: Sequence[TaskId], states: Mapping[TaskId, TaskState]) -> None:
        for task_id in rest:
            state = states.get(task_id)
            if state is None:
                self.tally.unknown.append(task_id)
            elif state in self._deed.states:
                self._held.append(task_id)
            else:
                self.tally.unfit.setdefault(state, []).append(task_id)
