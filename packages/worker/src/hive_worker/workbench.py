"""What every worker has, however it gets its tasks: slots, a runner, records, proof of its leases.

    (tasks) ──▶ slots ──▶ runner ──▶ executor
                             └──▶ recorder ──▶ Postgres, then the bus

A heartbeat, in a thread, renews what is held; what it cannot renew is stopped before it lapses.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hive_bus.bus import Bus
from hive_contracts.clocks import Clock
from hive_contracts.errors import SchemaMismatchError, UnavailableError
from hive_contracts.outcomes import Cancelled
from hive_contracts.sealing import Sealer
from hive_store import WorkerStore
from hive_telemetry.logs import logger
from hive_telemetry.metrics import Metrics
from hive_worker.executors import Executors
from hive_worker.heartbeat import Beat, Heartbeat
from hive_worker.holdings import Holdings
from hive_worker.proof import Proof
from hive_worker.recorder import Recorder
from hive_worker.runner import GONE, Runner
from hive_worker.settings import WorkerSettings
from hive_worker.slots import Slots
from hive_worker.watch import Watch

__all__ = ["Surroundings", "Workbench"]

AHEAD_SECONDS: Final = 0.05
SIGN_OFF_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a worker finds when it starts."""

    store: WorkerStore
    executors: Executors
    bus: Bus
    database_url: str
    """For the heartbeat, which has a connection of its own."""

    settings: WorkerSettings
    metrics: Metrics
    version: str
    clock: Clock
    sealer: Sealer | None = None
    """Opens payloads and seals results; None if payloads are as they were submitted."""


class Workbench:
    """The parts of a worker, put together."""

    def __init__(
        self,
        around: Surroundings,
        *,
        slots: int,
        takes_bundles: bool,
        is_draining: Callable[[], bool],
        leave: Callable[[], None],
    ) -> None:
        """Put the parts together.

        Args:
            around: what the worker finds.
            slots: most tasks at once.
            takes_bundles: whether queens may count on its slots.
            is_draining: whether it is on its way out.
            leave: begins to leave in good order; harmless if it has begun.
        """
        settings, metrics, clock = around.settings, around.metrics, around.clock
        self._store = around.store
        self._leave = leave
        self._outdated: SchemaMismatchError | None = None
        self._metrics = metrics
        self.holdings = Holdings()
        self.proof = Proof(
            clock,
            lease_seconds=settings.lease_seconds,
            margin_seconds=settings.lease_margin_seconds,
        )
        self.recorder = Recorder(
            around.store,
            self.holdings,
            around.bus,
            max_unwritten=settings.max_unwritten,
            metrics=metrics,
            clock=clock,
        )
        self.runner = Runner(
            around.executors,
            self.recorder,
            self.holdings,
            settings=settings,
            clock=clock,
            sealer=around.sealer,
        )
        self.recorder.on_stale = lambda attempt: attempt.call_off(GONE)
        self.slots = Slots(slots, run=self.runner.run, ahead_seconds=AHEAD_SECONDS, clock=clock)
        self.heartbeat = Heartbeat(
            around.store.worker_id,
            around.database_url,
            self.holdings,
            self.proof,
            running=lambda: (*self.runner.running, *self.slots.kept_back_for),
            slots=slots,
            takes_bundles=takes_bundles,
            is_draining=is_draining,
            count_stuck=self._count_stuck,
            on_beat=self._take_in,
            on_outdated=self._leave_as_outdated,
            settings=settings,
            version=around.version,
            clock=clock,
        )
        self.watch = Watch(
            self.runner,
            self.slots,
            self.recorder,
            self.proof,
            abandons=takes_bundles,
            settings=settings,
            metrics=metrics,
            clock=clock,
        )
        self.runner.on_abandoned = self._open_slot_again
        self._max_abandoned = settings.max_abandoned
        self.is_worn_out = False
        """Whether it leaves because too much runs on in it that nothing can stop."""

    async def sign_off(self) -> None:
        """Say that the worker has left; the heartbeat must be over, or it would be seen again.

        Raises:
            SchemaMismatchError: it has left because this Hive is too old for the database.
        """
        try:
            async with asyncio.timeout(SIGN_OFF_SECONDS):
                await self._store.leave()
        except (TimeoutError, UnavailableError, SchemaMismatchError) as error:
            logger(__name__).warning("could not sign off; it will be noticed", error=str(error))
        if self._outdated is not None:
            raise self._outdated

    def _open_slot_again(self, slot: asyncio.Task[None]) -> None:
        self.slots.abandon(slot)
        self._metrics.handlers_abandoned()
        if self.slots.abandoned >= self._max_abandoned and not self.is_worn_out:
            self.is_worn_out = True
            logger(__name__).error(
                "too much runs on that was abandoned; the worker leaves, to be started anew",
                abandoned=self.slots.abandoned,
            )
            self._leave()

    def _count_stuck(self, is_blocked: bool) -> int:
        """Count, in the heartbeat's thread, what does not stop; the loop too if it is blocked."""
        count = self.slots.abandoned + self.watch.stuck + is_blocked
        self._metrics.show_stuck(count)
        return count

    def _leave_as_outdated(self, error: SchemaMismatchError) -> None:
        if self._outdated is None:
            self._outdated = error
            logger(__name__).error("this worker is too old for the database", error=str(error))
            self._leave()

    def _take_in(self, beat: Beat) -> None:
        """Learn from a heartbeat: what is still ours, and what was called off."""
        self.proof.heard()
        self._metrics.show_heartbeat(datetime.now(UTC).timestamp())
        for lease_id in beat.dropped:
            self.holdings.drop(lease_id)
            self.runner.call_off_lease(lease_id, GONE)
        self.runner.call_off(beat.cancelled, Cancelled())
        cancelled = set(beat.cancelled)
        for leased in self.slots.withdraw(lambda leased: leased.task.id in cancelled):
            self.runner.give_up(leased.task, Cancelled())
        self.slots.withdraw(lambda leased: not self.holdings.holds(leased.task.lease_id))
