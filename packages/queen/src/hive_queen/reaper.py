"""End the leases that have lapsed: their workers are dead, frozen, or cut off.

The reaper waits until it has been in touch with Postgres for one whole lease time. After an outage
longer than a lease every lease on the server has lapsed, also those of workers that are alive and
about to renew; they get the chance to do so first. The same holds when the queen herself has slept
for a lease time, perhaps with the whole machine.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Never

from hive_bus.bus import Bus
from hive_contracts.clocks import Clock
from hive_contracts.errors import UnavailableError
from hive_contracts.events import Event, EventFrame, EventType
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_queen.settings import QueenSettings
from hive_store.queen_findings import ReapedTask
from hive_store.queen_store import QueenStore
from hive_telemetry.logs import logger
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Reaper"]

LEASES_AT_ONCE: Final = 100


class Reaper:
    """Sweeps lapsed leases. Any number of queens may: they skip one another's."""

    name = "reap"

    def __init__(
        self,
        store: QueenStore,
        bus: Bus,
        *,
        wake: Callable[[], None],
        settings: QueenSettings,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._bus = bus
        self._wake = wake
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._in_touch_since: float | None = None
        self._in_touch_at = clock.seconds()

    async def run(self) -> Never:
        """Sweep for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> float:
        """Sweep once, if Postgres has been there for one lease time; return the pause."""
        try:
            # Always a statement: it is what shows that Postgres is there.
            is_trusted = self._is_in_touch_for_a_lease()
            reaped = await self._store.reap(batch_size=LEASES_AT_ONCE if is_trusted else 0)
        except UnavailableError:
            self._in_touch_since = None
            raise
        self._in_touch_at = self._clock.seconds()
        if self._in_touch_since is None:
            self._in_touch_since = self._in_touch_at
        if reaped:
            self._tell(reaped)
        return 0 if len({task.lease_id for task in reaped}) == LEASES_AT_ONCE else self._pause()

    def _is_in_touch_for_a_lease(self) -> bool:
        now, lease_seconds = self._clock.seconds(), self._settings.lease_seconds
        if now - self._in_touch_at >= lease_seconds:
            self._in_touch_since = None
        return self._in_touch_since is not None and now - self._in_touch_since >= lease_seconds

    def _pause(self) -> float:
        return min(self._settings.poll_seconds, self._settings.lease_seconds / 4)

    def _tell(self, reaped: list[ReapedTask]) -> None:
        leases = {task.lease_id: task.queue for task in reaped}
        logger(__name__).warning("leases ran out", leases=len(leases), tasks=len(reaped))
        for queue, count in Counter(leases.values()).items():
            self._metrics.leases_expired(queue, count)
        for task in reaped:
            self._metrics.attempts_lost(task.queue, task.kind, task.outcome)
            if task.state in TERMINAL_STATES:
                self._metrics.tasks_finished(task.queue, task.kind, task.outcome)
        self._bus.tell(EventFrame(tuple(_event(task) for task in reaped)))
        self._wake()


def _event(task: ReapedTask) -> Event:
    match task.state:
        case TaskState.CANCELLED:
            what = EventType.CANCELLED
        case TaskState.FAILED:
            what = EventType.FAILED
        case _ if task.outcome is OutcomeName.LOST:
            what = EventType.LOST
        case _:
            what = EventType.RELEASED
    return Event(type=what, task_ids=(task.id,), attempts=(task.attempt,))
