"""How far a group is: counted in Postgres, shown again and again, with the last failures below."""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from hive.durations import show_roughly
from hive.panel import Panel
from hive.tables import fit
from hive.tasks.reaching import View
from hive_contracts.clocks import BootClock
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.states import TERMINAL_STATES, WAITING_STATES, TaskState
from hive_store.task_store import EndedTask

__all__ = ["Gauge"]

LOOK_SECONDS: Final = 0.25
LOOK_UNSEEN_SECONDS: Final = 1.0
"""Off a terminal, where less is shown."""

COUNTS_TAKE: Final = 0.05
"""Most of the time that is spent on counting: of 500,000 tasks it takes a fraction of a second."""

SHOWN_FAILURES: Final = 3
FAILURE_COLUMNS: Final = 200


class Gauge:
    """Counts one group, and shows it."""

    def __init__(self, view: View, panel: Panel, group: str) -> None:
        self._view = view
        self._panel = panel
        self._group = group
        self._clock = BootClock()
        self._began_at = self._clock.seconds()
        self._done_at_begin: int | None = None
        self._still_since: float | None = None
        self._failures: deque[str] = deque(maxlen=SHOWN_FAILURES)
        self.counts: Mapping[TaskState, int] = {}
        """As of the last look."""

        self.is_complete = False
        """Whether all tasks of the group are in."""

    @property
    def seconds(self) -> float:
        """How long it has been watched."""
        return self._clock.seconds() - self._began_at

    @property
    def still_seconds(self) -> float:
        """For how long there have been tasks that wait, and none that a worker has."""
        still_since = self._still_since
        return 0.0 if still_since is None else self._clock.seconds() - still_since

    def take(self, ended: EndedTask) -> None:
        """Take note of a task that has ended."""
        if ended.state is TaskState.FAILED:
            line = fit(f"task {ended.id} failed: {ended.error}", FAILURE_COLUMNS)
            self._failures.append(f"  {line}")

    async def pause(self, cost_seconds: float) -> None:
        """Wait until it is time to look again."""
        least_seconds = LOOK_SECONDS if self._panel.is_live else LOOK_UNSEEN_SECONDS
        await asyncio.sleep(max(least_seconds, cost_seconds / COUNTS_TAKE))

    async def look(self) -> float:
        """Count, and show it if it is time; return how many seconds that took."""
        began_at = self._clock.seconds()
        # That Postgres is away is told by who waits for the tasks to end.
        with suppress(StoreUnavailableError):
            self.counts = await self._view.selector.count_group(self._group)
        if self._at_work or not any(self.counts.get(state) for state in WAITING_STATES):
            self._still_since = None
        elif self._still_since is None:
            self._still_since = began_at
        if self._done_at_begin is None and self.counts:
            self._done_at_begin = self._done
        if self._panel.is_due and self.counts:
            self._panel.draw(self._lines())
        return self._clock.seconds() - began_at

    @property
    def _done(self) -> int:
        return sum(self.counts.get(state, 0) for state in TERMINAL_STATES)

    @property
    def _at_work(self) -> int:
        return sum(self.counts.get(s, 0) for s in (TaskState.DISPATCHED, TaskState.RUNNING))

    def _lines(self) -> list[str]:
        total = sum(self.counts.values())
        parts = [
            f"{self._done:,} of {total:,}{'' if self.is_complete else ' so far'} done",
            f"{self._at_work:,} running",
            f"{self.counts.get(TaskState.FAILED, 0):,} failed",
            *self._speed(total),
        ]
        head = f"hive: {', '.join(parts)}"
        return [head, *self._failures]

    def _speed(self, total: int) -> list[str]:
        done = self._done - (self._done_at_begin or 0)
        if not done:
            return []
        per_second = done / max(0.001, self.seconds)
        speed = f"{per_second:.3g}/s" if per_second < 1000 else f"{per_second:,.0f}/s"  # noqa: PLR2004
        if not self.is_complete:
            return [speed]
        return [speed, f"{show_roughly((total - self._done) / per_second)} left"]
