"""Watch a group to its end: pass on outputs, show how far it is, keep to its limit."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Never

from hive.mapping.gate import OPEN, Gate, is_held
from hive.mapping.gauge import Gauge
from hive.mapping.outlet import Outlet, PrintedOutputs
from hive.mapping.roster import Roster
from hive.panel import Panel
from hive.tasks.explaining import Explainer
from hive.tasks.reaching import Reach
from hive.tasks.waiting import PATIENCE_SECONDS
from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.states import TaskState

__all__ = ["Manner", "Watcher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a group is watched."""

    jobs: int | None
    """Most tasks at once; None for as many as workers have room for."""

    is_quiet: bool
    """Whether the outputs are left out."""

    keeps_order: bool
    """Whether outputs come in the order in which the tasks were submitted."""

    gives_answers: bool
    """Whether an agent's answer is wanted in the place of its output."""

    silence: timedelta
    """After how long unheard a worker does not count."""


class Watcher:
    """One group, watched."""

    def __init__(
        self, reach: Reach, group: str, manner: Manner, panel: Panel, printed: PrintedOutputs
    ) -> None:
        self._reach = reach
        self._group = group
        self._manner = manner
        self._panel = panel
        self._printed = printed
        self._roster = Roster()
        self._explainer = Explainer(reach.view, silence=manner.silence, tell=panel.note)
        self.gauge = Gauge(reach.view, panel, group)
        self.outlet = Outlet(
            reach.view.tasks,
            panel,
            printed,
            keeps_order=manner.keeps_order,
            gives_answers=manner.gives_answers,
        )
        self._gate = None if manner.jobs is None else Gate(reach.view, group, jobs=manner.jobs)

    async def take_over(self) -> bool:
        """Watch the tasks of the group that are in already; return whether there are any.

        What has been printed of them is not printed again.

        Raises:
            ConfigurationError: some are held back, and it is not said how many may go at once.
        """
        await self._refuse_to_leave_held_tasks()
        found = await (self.find_open() if self._manner.is_quiet else self._find(frozenset()))
        printed = self._printed.read()
        self.add([task_id for task_id in reversed(found) if task_id not in printed])
        return bool(await self._reach.view.selector.page(Selection(group=self._group), limit=1))

    async def find_open(self) -> list[TaskId]:
        """Return the tasks of the group that have not ended, newest first."""
        return await self._find(OPEN)

    async def _find(self, states: frozenset[TaskState]) -> list[TaskId]:
        pages = self._reach.view.selector.pages_of_ids(Selection(group=self._group, states=states))
        return [task_id async for page in pages for task_id in page]

    def add(self, task_ids: Sequence[TaskId]) -> None:
        """Watch these too."""
        self.outlet.expect(task_ids)
        self._roster.add(task_ids)
        if self._gate is not None:
            self._gate.expect_more()

    def close(self) -> None:
        """Say that no further tasks will be added."""
        self._roster.close()
        self.gauge.is_complete = True

    async def run(self) -> None:
        """Watch until all have ended, and their outputs have been passed on.

        Raises:
            UnwritableOutputError: nobody reads the outputs.
        """
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self._show_progress())]
            if self._gate is not None:
                beside.append(group.create_task(self._gate.run()))
            async for ended in self._roster.ends(self._reach.hive):
                if self._gate is not None:
                    self._gate.note_end(ended.id)
                self.gauge.take(ended)
                if not self._manner.is_quiet:
                    await self.outlet.take(ended.id)
            for task in beside:
                task.cancel()

    async def _show_progress(self) -> Never:
        while True:
            await self.gauge.pause(await self.gauge.look())
            self.outlet.remember()
            if self._gate is not None and self.gauge.counts.get(TaskState.SCHEDULED):
                self._gate.expect_more()
            first = self._roster.first()
            if first is not None and self.gauge.still_seconds > PATIENCE_SECONDS:
                await self._explainer.look_at(first)

    async def _refuse_to_leave_held_tasks(self) -> None:
        if self._manner.jobs is not None:
            return
        # Held tasks are among the last of their group: they come after those that were let go.
        chosen = Selection(group=self._group, states=frozenset({TaskState.SCHEDULED}))
        if any(map(is_held, await self._reach.view.selector.page(chosen, limit=1))):
            raise ConfigurationError(
                f"tasks of group {self._group} are held back, to run only so many at once; say how"
                f" many, as in `hive map --reattach {self._group} --jobs 8`"
            )
