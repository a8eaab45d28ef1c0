"""Submit what schedules say, at the moments that they say.

Any number of queens do it at once. Each reads which schedules are due, by the database's time,
reckons which ticks those are, and writes what is to be done in one statement, which does nothing
for a schedule that another queen has moved on meanwhile. Nothing is locked while a queen reckons,
so one that freezes then holds nothing up.
"""

import asyncio
from datetime import timedelta
from typing import Final, Never

from hive_contracts.errors import RefusedScheduleError
from hive_contracts.tick_plans import plan
from hive_contracts.ticks import said
from hive_queen.settings import QueenSettings
from hive_store.tick_store import Decision, DueSchedule, Outlook, TickStore
from hive_telemetry.logs import logger
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Scheduler"]

SCHEDULES_AT_ONCE: Final = 200
TICKS_AT_ONCE: Final = 1000
"""Most ticks in one statement, beyond those of the schedule that is one too many."""

SHORTEST_PAUSE_SECONDS: Final = 0.005
INSTANT: Final = timedelta(microseconds=1)


class Scheduler:
    """Looks when the next tick is due, when schedules change, and each poll."""

    name = "schedule"

    def __init__(
        self,
        store: TickStore,
        *,
        changed: asyncio.Event,
        settings: QueenSettings,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._changed = changed
        self._settings = settings
        self._metrics = metrics

    async def run(self) -> Never:
        """Submit ticks for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> None:
        """Submit what is due; then wait until the next tick, or until schedules change."""
        self._changed.clear()
        pause_seconds = await self.submit_due()
        try:
            async with asyncio.timeout(pause_seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def submit_due(self) -> float:
        """Submit what is due now; return in how many seconds to look again, one poll at most."""
        outlook = await self._store.outlook(limit=SCHEDULES_AT_ONCE)
        advanced, batch = 0, list[Decision]()
        for schedule in outlook.due:
            batch.append(_decide(schedule))
            # After a long absence there is a lot to reckon, and this queen has other duties.
            await asyncio.sleep(0)
            if sum(len(decision.ticks) for decision in batch) >= TICKS_AT_ONCE:
                advanced += await self._submit(batch)
                batch = []
        advanced += await self._submit(batch) if batch else 0
        self._metrics.ticks_submitted(await self._store.submit_waiting(limit=SCHEDULES_AT_ONCE))
        # Those that follow may have fallen due meanwhile.
        return 0 if advanced else self._pause_seconds(outlook)

    async def _submit(self, batch: list[Decision]) -> int:
        done = await self._store.submit(batch)
        self._metrics.ticks_submitted(done.late_seconds)
        for reason, count in done.skipped.items():
            self._metrics.ticks_skipped(reason, count)
        return done.advanced

    def _pause_seconds(self, outlook: Outlook) -> float:
        poll_seconds = self._settings.poll_seconds
        if outlook.next_seconds is None:
            return poll_seconds
        return min(max(outlook.next_seconds, SHORTEST_PAUSE_SECONDS), poll_seconds)


def _decide(schedule: DueSchedule) -> Decision:
    """Return what is to be done about a schedule; one that says no moments is given up."""
    when = schedule.when
    after = schedule.since if schedule.due_at is None else schedule.due_at - INSTANT
    try:
        found = plan(when, schedule.missed, schedule.max_missed, after=after, now=schedule.now)
    except RefusedScheduleError as error:
        logger(__name__).warning("a schedule has a fault", schedule=schedule.id, error=str(error))
        return Decision(schedule=schedule, fault=str(error))
    until = found.left_out_until
    return Decision(
        schedule=schedule,
        ticks=[(tick, said(when, tick)) for tick in found.ticks],
        left_out=found.left_out,
        left_out_until=None if until is None else (until, said(when, until)),
        next_at=found.next_at,
    )
