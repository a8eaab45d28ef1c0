"""What a silent worker holds stands in nobody's way, and a worker's slots count once."""

from typing import Any
from uuid import uuid4

from asyncpg import Connection

from hive_contracts.clocks import BootClock
from hive_contracts.ids import QueenId, WorkerId
from hive_dispatch.sender import BundleSender
from hive_queen.fleet import Fleet
from hive_queen.outbox import Outbox
from hive_queen.permits import Permits
from hive_queen.reconciler import Reconciler
from hive_queen.settings import QueenSettings
from hive_store import HeartbeatStore, QueenStore, WorkerStore, open_line
from hive_store.claiming import Watermarks
from hive_store.line import Line
from hive_telemetry.metrics import Metrics
from hive_testkit.ground import LEASE, Ground
from hive_testkit.timing import pass_time

SETTINGS = QueenSettings(poll_seconds=0.02)


async def enlist(line: Line, *queues: str, slots: int) -> WorkerId:
    """Have a worker say that it lives."""
    worker_id = WorkerId(uuid4())
    await HeartbeatStore(worker_id, line).see(
        host="here", pid=1, version="0", queues=queues, slots=slots, is_draining=False
    )
    return worker_id


async def test_neither_the_slots_nor_the_tasks_of_a_silent_worker_count(
    ground: Ground, database: "Connection[Any]", database_url: str, redis_url: str
) -> None:
    async with open_line(database_url) as line, BundleSender(redis_url, "trial") as sender:
        clock, store = BootClock(), QueenStore(QueenId(uuid4()), claims=line, upkeep=line)
        permits = Permits(clock)
        fleet = Fleet(store, permits, settings=SETTINGS, metrics=Metrics(), version="0")
        reconciler = Reconciler(
            store,
            permits,
            Outbox(sender, store, permits, settings=SETTINGS),
            settings=SETTINGS,
            metrics=Metrics(),
            clock=clock,
        )
        silent = await enlist(line, "default", slots=4)
        await ground.submit(4)
        [part] = await store.claim(
            "default",
            limit=4,
            lease=LEASE,
            bundle_size=4,
            worker_count=1,
            watermarks=Watermarks(),
        )
        await WorkerStore(silent, accepts=line, finishes=line).accept([part.lease_id], lease=LEASE)
        await fleet.tick()
        await reconciler.tick()
        assert (permits.size, permits.held) == (4, 4)
        await pass_time(database, SETTINGS.lease_seconds / 2 + 1)
        await enlist(line, "default", slots=3)
        await fleet.tick()
        await reconciler.tick()
        assert (permits.size, permits.held) == (3, 0)


async def test_the_slots_of_a_worker_that_serves_two_queues_count_once(database_url: str) -> None:
    async with open_line(database_url) as line:
        store = QueenStore(QueenId(uuid4()), claims=line, upkeep=line)
        permits = Permits(BootClock())
        fleet = Fleet(store, permits, settings=SETTINGS, metrics=Metrics(), version="0")
        await enlist(line, "frontend", "backend", slots=4)
        await enlist(line, "backend", slots=2)
        await fleet.tick()
        assert permits.size == 6
        assert permits.room("backend", ahead=0) == 6
        assert permits.room("frontend", ahead=0) == 4
