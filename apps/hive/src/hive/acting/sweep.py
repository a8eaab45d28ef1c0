"""Do something to many tasks, batch by batch, and know of each what became of it.

A statement steps over tasks that another transaction holds at that moment. They are put aside, and
asked again after all others, until each has answered or the patience is over.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hive.acting.targets import batches
from hive.panel import Panel
from hive.tasks.reaching import View
from hive.words import counted, some_of
from hive_contracts.clocks import BootClock
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import LAST_TASK_ID, TaskId
from hive_contracts.states import MOVES, WAITING_STATES, Move, TaskState

__all__ = ["Ask", "Deed", "Sweep", "Tally", "states_open_to", "sweep"]

PATIENCE_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.2
LEASED: Final = frozenset({TaskState.DISPATCHED, TaskState.RUNNING})

Ask: TypeAlias = Callable[[Sequence[TaskId]], Awaitable[Mapping[TaskId, TaskState]]]
"""Does it to tasks; returns those it was done to, with the state each is in now."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be done."""

    move: Move
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

    def why_left(self, task_id: TaskId) -> str:
        """Return why nothing could be done to a task, the only one, that does not say so itself."""
        if self.held:
            return (
                f"another transaction holds task {task_id} (`hive doctor` may name it); try again"
            )
        return f"there is no task {task_id}"

    def left(self) -> Iterator[str]:
        """Yield how many tasks nothing could be done to, and which, by the reason."""
        if self.unknown:
            yield f"{len(self.unknown):,} not found ({some_of(self.unknown)})"
        if self.held:
            yield f"{len(self.held):,} held by another transaction ({some_of(self.held)})"


def states_open_to(move: Move) -> frozenset[TaskState]:
    """Return the states in which somebody can have a task make a move."""
    states = frozenset(state for state, moves in MOVES.items() if move in moves)
    # What is leased is parked by itself alone.
    return states & WAITING_STATES if move is Move.PARK else states


async def sweep(view: View, deed: Deed, task_ids: Sequence[TaskId]) -> Tally:
    """Do it to the tasks, and show how far it is.

    Raises:
        StoreUnavailableError: Postgres did not answer; how far it came has been said.
    """
    sweeping, panel = Sweep(view, deed), Panel()
    total = counted(len(task_ids), "task")

    def show() -> None:
        if panel.is_due:
            panel.draw([f"hive: {sweeping.tally.count:,} of {total}"])

    try:
        await sweeping.take_all(task_ids, after_each=show)
    except StoreUnavailableError:
        panel.note(
            f"hive: {sweeping.tally.count:,} of {total} have been seen to; the same command once"
            " more sees to the rest"
        )
        raise
    panel.erase()
    return sweeping.tally


class Sweep:
    """One round over some tasks."""

    def __init__(self, view: View, deed: Deed) -> None:
        self._view = view
        self._deed = deed
        self._held: list[TaskId] = []
        self.tally = Tally()

    async def take_all(
        self, task_ids: Sequence[TaskId], *, after_each: Callable[[], None] = lambda: None
    ) -> Tally:
        """Do it to the tasks, batch by batch, and for a while to those that are held again."""
        for batch in batches(task_ids):
            await self._take(batch)
            after_each()
        await self._take_what_was_held()
        return self.tally

    async def _take(self, batch: Sequence[TaskId]) -> None:
        possible = [task_id for task_id in batch if task_id <= LAST_TASK_ID]
        done = await self._deed.ask(possible)
        self.tally.done.update(done.values())
        self.tally.stopping += [i for i, state in done.items() if state in LEASED]
        if len(done) < len(batch):
            rest = [i for i in possible if i not in done]
            # One that it could be done to, and was not, can only be held by another transaction.
            states = await self._view.tasks.states(rest)
            open_ones = await self._open_to_it(states)
            self._sort([i for i in batch if i not in done], states, open_ones)

    async def _open_to_it(self, states: Mapping[TaskId, TaskState]) -> Set[TaskId]:
        if self._deed.move is Move.FALL_DUE:
            # What is parked is `scheduled`, but not all that is.
            return await self._view.tasks.parked([*states])
        fitting = states_open_to(self._deed.move)
        return {task_id for task_id, state in states.items() if state in fitting}

    async def _take_what_was_held(self) -> None:
        clock = BootClock()
        give_up_at = clock.seconds() + PATIENCE_SECONDS
        while self._held and clock.seconds() < give_up_at:
            await asyncio.sleep(PAUSE_SECONDS)
            held, self._held = self._held, []
            for batch in batches(held):
                await self._take(batch)
        self.tally.held = self._held

    def _sort(
        self,
        rest: Sequence[TaskId],
        states: Mapping[TaskId, TaskState],
        open_ones: Set[TaskId],
    ) -> None:
        for task_id in rest:
            state = states.get(task_id)
            if state is None:
                self.tally.unknown.append(task_id)
            elif task_id in open_ones:
                self._held.append(task_id)
            else:
                self.tally.unfit.setdefault(state, []).append(task_id)
