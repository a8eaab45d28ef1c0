"""The queen: her loops, side by side, over one store, one bus and one sender.

    bell ──▶ claimers ──▶ outbox ──▶ workers ──▶ hints ──▶ permits ──▶ claimers
                                                    reconcile ─┘ (when a hint was lost)

Any number of queens may run. They share the tasks through SKIP LOCKED, the slots by counting one
another, and the singleton duties by a term.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Never
from uuid import uuid4

from hive_bus.bus import Bus
from hive_contracts.clocks import BootClock, Clock
from hive_contracts.errors import SchemaMismatchError, UnavailableError
from hive_contracts.ids import QueenId
from hive_contracts.loops import Loop
from hive_contracts.retaining import Retention
from hive_dispatch.sender import BundleSender
from hive_queen.claimer import Claimer
from hive_queen.claimers import Bell, Claimers
from hive_queen.controls import Controls
from hive_queen.duties import Duties
from hive_queen.fleet import Fleet
from hive_queen.granter import Granter
from hive_queen.hints import Hints
from hive_queen.outbox import Outbox
from hive_queen.pacing import RunTimes
from hive_queen.permits import Permits
from hive_queen.raiser import Raiser
from hive_queen.reaper import Reaper
from hive_queen.reconciler import Reconciler
from hive_queen.retaining import Retainer
from hive_queen.scheduler import Scheduler
from hive_queen.settings import QueenSettings
from hive_queen.sweeper import Sweeper
from hive_queen.webhooks import Webhooks
from hive_store import HOT_SETTINGS, Doorbell, Line, QueenStore, open_line
from hive_store.pruning import Pruner
from hive_telemetry.logs import logger
from hive_telemetry.loops import run_loops
from hive_telemetry.metrics import Metrics

__all__ = ["Queen", "open_queen"]


class Queen:
    """Hands out work until she is cancelled."""

    def __init__(
        self,
        store: QueenStore,
        bus: Bus,
        sender: BundleSender,
        doorbell: Doorbell,
        pruner: Pruner,
        *,
        upkeep: Line,
        settings: QueenSettings,
        retention: Retention,
        metrics: Metrics,
        version: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self.permits = Permits(clock, weights=settings.weight_by_queue)
        run_times = RunTimes()
        fleet = Fleet(store, self.permits, settings=settings, metrics=metrics, version=version)
        outbox = Outbox(sender, store, self.permits, settings=settings)

        def make_claimer(queue: str) -> Claimer:
            return Claimer(
                queue,
                store=store,
                permits=self.permits,
                fleet=fleet,
                controls=controls,
                outbox=outbox,
                run_times=run_times,
                settings=settings,
                metrics=metrics,
                clock=clock,
            )

        claimers = Claimers(make_claimer)
        fleet.on_queue = claimers.serve
        fleet.keep_lines = claimers.keep_lines
        reconciler = Reconciler(
            store,
            self.permits,
            outbox,
            settings=settings,
            metrics=metrics,
            clock=clock,
        )

        def wake() -> None:
            claimers.wake(is_behind=True)

        granter = Granter(store, bus, wake=claimers.wake, settings=settings, metrics=metrics)
        duties = Duties(store, settings=settings, metrics=metrics, clock=clock)
        controls = Controls(store, wake=wake, settings=settings, metrics=metrics)
        bell = Bell(
            doorbell,
            claimers,
            granter,
            controls,
            poll_seconds=settings.poll_seconds,
            metrics=metrics,
        )
        hints = Hints(
            bus,
            store.queen_id,
            self.permits,
            run_times,
            missed=reconciler.missed,
            on_ended=claimers.wake_held_up,
        )
        self._loops: list[Loop] = [
            fleet,
            bell,
            claimers,
            granter,
            controls,
            hints,
            reconciler,
            Reaper(store, bus, wake=wake, settings=settings, metrics=metrics, clock=clock),
            Raiser(store, wake=wake, settings=settings, metrics=metrics),
            Sweeper(store, bus, wake=wake, settings=settings, metrics=metrics),
            Webhooks(upkeep, settings=settings, metrics=metrics),
            Scheduler(
                store.ticks,
                changed=doorbell.schedules_changed,
                settings=settings,
                metrics=metrics,
            ),
            duties,
            Retainer(
                pruner, retention, is_due=lambda: duties.has_term, metrics=metrics, clock=clock
            ),
        ]

    async def run(self) -> Never:
        """Run every loop until cancelled; when one falls, all fall."""
        logger(__name__).info("the queen reigns", queen=str(self._store.queen_id))
        await run_loops(self._loops)


@asynccontextmanager
async def open_queen(
    *,
    database_url: str,
    redis_url: str,
    redis_prefix: str,
    settings: QueenSettings,
    metrics: Metrics,
    version: str,
    retention: Retention = Retention(),  # noqa: B008 - it is frozen
) -> AsyncGenerator[Queen]:
    """Give a queen with connections of her own (three to Postgres), and close them afterwards."""
    queen_id = QueenId(uuid4())
    async with AsyncExitStack() as stack:
        claims = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        upkeep = await stack.enter_async_context(open_line(database_url, settings=HOT_SETTINGS))
        doorbell = await stack.enter_async_context(Doorbell.open(database_url))
        bus = await stack.enter_async_context(Bus.open(redis_url, prefix=redis_prefix))
        metrics.read_bus(bus)
        sender = await stack.enter_async_context(BundleSender(redis_url, redis_prefix))
        if notice := await claims.first_look():
            logger(__name__).warning(notice)
        store = QueenStore(queen_id, claims=claims, upkeep=upkeep)
        stack.push_async_callback(_leave, store)
        yield Queen(
            store,
            bus,
            sender,
            doorbell,
            Pruner(upkeep),
            upkeep=upkeep,
            settings=settings,
            retention=retention,
            metrics=metrics,
            version=version,
            clock=BootClock(),
        )


async def _leave(store: QueenStore) -> None:
    try:
        await store.leave()
    except (UnavailableError, SchemaMismatchError) as error:
        logger(__name__).warning("could not sign off; it will be noticed", error=str(error))
