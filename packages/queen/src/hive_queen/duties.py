"""What one queen does for all: keep the event log's partitions, fill the gauges, tidy up.

The right to do so is a term, issued and numbered by the database. Each duty is harmless when two
queens do it at once, so a term that changes hands in the middle of one breaks nothing.
"""

import math
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Never

from hive_contracts.clocks import Clock
from hive_contracts.errors import ConfigurationError
from hive_contracts.events import Cursor
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_contracts.tasks import LONGEST_UNIQUE
from hive_queen.settings import QueenSettings
from hive_store.queen_store import QueenStore
from hive_telemetry.logs import logger
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Duties"]

GAUGES_SECONDS: Final = 5.0
TIDY_SECONDS: Final = 60.0
PARTITIONS_SECONDS: Final = 3600.0
EVENT_DAYS_AHEAD: Final = 3
EVENTS_AT_ONCE: Final = 10_000
DELIVERIES_AT_ONCE: Final = 10_000
WAITING_AT_ONCE: Final = 10_000
KEYS_AT_ONCE: Final = 1000
TICKS_AT_ONCE: Final = 10_000
SPENT_AT_ONCE: Final = 1000
SPENT_DAYS: Final = 31
"""How long the sums of a day are kept: a budget adds them all up at each start of an attempt."""


class Duties:
    """The singleton duties, done while this queen holds the term."""

    name = "duties"

    def __init__(
        self,
        store: QueenStore,
        *,
        settings: QueenSettings,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._done_at: dict[str, float] = {}
        self.has_term = False
        """Whether this queen had the term when she last asked."""

        self._counted_to: Cursor | None = None
        """How far the event log has been counted; None without the term."""

    async def run(self) -> Never:
        """Hold the term, or try to, for ever."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> float:
        """Take or keep the term; with it, do what is due."""
        term = timedelta(seconds=self._settings.term_seconds)
        self.has_term = await self._store.hold_term(term=term) is not None
        if not self.has_term:
            self._show_nothing()
            return self._settings.term_seconds / 2
        # The partitions last: a reader of the log can make that fail, and it is then tried again.
        await self._if_due("gauges", GAUGES_SECONDS, self._show_gauges)
        await self._if_due("tidy", TIDY_SECONDS, self._tidy)
        await self._if_due("partitions", PARTITIONS_SECONDS, self._keep_partitions)
        return self._settings.term_seconds / 3

    async def _if_due(
        self, duty: str, every_seconds: float, do: Callable[[], Awaitable[None]]
    ) -> None:
        now = self._clock.seconds()
        if now - self._done_at.get(duty, -math.inf) >= every_seconds:
            await do()
            self._done_at[duty] = now

    async def _keep_partitions(self) -> None:
        made, dropped = await self._store.keep_event_days(
            ahead=EVENT_DAYS_AHEAD, keep=self._settings.event_days
        )
        if made or dropped:
            logger(__name__).info("kept the event log", days_made=made, days_dropped=dropped)

    async def _show_gauges(self) -> None:
        counts: dict[tuple[str, TaskState], int] = {}
        oldest: dict[str, float] = {}
        parked: dict[str, int] = {}
        asking: Counter[str] = Counter()
        for row in await self._store.count_open():
            counts[row.queue, row.state] = row.count
            if row.oldest_run_at is not None:
                oldest[row.queue] = row.oldest_run_at.timestamp()
            if row.parked:
                parked[row.queue] = row.parked
            if row.asking:
                asking[row.queue] += row.asking
        self._metrics.show_tasks(counts)
        self._metrics.show_oldest_ready(oldest)
        self._metrics.show_parked(parked)
        self._metrics.show_needing_answer(asking)
        self._metrics.show_unmet(await self._store.count_unmet(living=self._settings.living))
        self._metrics.show_event_log_default_rows(await self._store.count_stray_events())
        self._metrics.show_oldest_transaction_age(await self._store.oldest_transaction_seconds())
        self._metrics.show_paused([queue.name for queue in await self._store.controls.paused()])
        self._metrics.show_limits(await self._store.controls.limits())
        self._metrics.show_breakers(await self._store.controls.breakers())
        await self._count_called_off()
        await self._show_webhooks()

    async def _show_webhooks(self) -> None:
        webhooks = await self._store.webhook_reports.all()
        pending = [w.pending_seconds for w in webhooks if w.pending_seconds is not None]
        counts = Counter(webhook.state for webhook in webhooks)
        self._metrics.show_webhooks(counts, max(pending, default=None))

    async def _count_called_off(self) -> None:
        """Count what nobody else does: clients end these tasks, and clients have no metrics."""
        if self._counted_to is None:
            self._counted_to = await self._store.log_end()
        is_more = True
        while is_more:
            found = await self._store.count_called_off(self._counted_to, limit=EVENTS_AT_ONCE)
            for (queue, kind), count in found.counts.items():
                self._metrics.tasks_finished(queue, kind, OutcomeName.CANCELLED, count)
            self._counted_to, is_more = found.cursor, found.is_more

    async def _tidy(self) -> None:
        # Where an attempt ran is known for as long as the events that tell of it.
        kept = timedelta(days=self._settings.event_days)
        await self._store.forget_the_dead(unseen=kept)
        stranded = await self._store.wake_stranded(
            batch_size=WAITING_AT_ONCE, quiet=timedelta(seconds=TIDY_SECONDS)
        )
        self._metrics.tasks_stranded(stranded)
        if stranded:
            logger(__name__).error("tasks waited for others that had ended", tasks=stranded)
        await self._store.free_from_budgets()
        await self._fold_spent()
        while await self._store.forget_unique_keys(age=LONGEST_UNIQUE, limit=KEYS_AT_ONCE):
            pass
        await self._store.ticks.forget(keep_days=self._settings.event_days, limit=TICKS_AT_ONCE)
        await self._store.deliveries.forget(ended=kept, limit=DELIVERIES_AT_ONCE)
        orphans = await self._store.count_orphans()
        if orphans:
            logger(__name__).error("tasks are leased but no lease holds them", tasks=orphans)

    async def _fold_spent(self) -> None:
        try:
            await self._store.fold_spent(keep_days=SPENT_DAYS, limit=SPENT_AT_ONCE)
        except ConfigurationError as error:
            # Its role is older than this duty: no reason to do no other.
            logger(__name__).warning("sums of old days stay as they are", error=str(error))

    def _show_nothing(self) -> None:
        """What another queen counts, this one does not know."""
        self._metrics.show_tasks({})
        self._metrics.show_oldest_ready({})
        self._metrics.show_parked({})
        self._metrics.show_needing_answer({})
        self._metrics.show_paused([])
        self._metrics.show_limits([])
        self._metrics.show_breakers([])
        self._metrics.show_unmet({})
        self._metrics.show_oldest_transaction_age(None)
        self._metrics.show_webhooks({}, None)
        self._done_at.pop("gauges", None)
        self._counted_to = None
