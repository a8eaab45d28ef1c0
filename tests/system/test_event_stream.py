"""A watcher that loses the bus for a while misses nothing: it catches up from the log."""

import asyncio
from pathlib import Path

from hive_bus.bus import Bus
from hive_bus.gap import Gap
from hive_bus.subscription import Subscription
from hive_client import Hive
from hive_contracts.events import Cursor, EventFrame, EventType
from hive_contracts.ids import TaskId
from hive_store import EventLog, open_line
from hive_testkit.cluster import Cluster, open_cluster
from hive_testkit.plugin import OwnServer

TASKS = 40


async def test_a_watcher_catches_up_from_the_log_after_a_gap(
    database_url: str, own_redis: OwnServer, tmp_path: Path
) -> None:
    cluster = await open_cluster(database_url, own_redis.url, tmp_path)
    try:
        async with Hive.connect(cluster.database_url, cluster.redis_url) as hive:
            await watch_through_a_gap(cluster, hive, own_redis)
    finally:
        cluster.stop()


async def watch_through_a_gap(cluster: Cluster, hive: Hive, own_redis: OwnServer) -> None:
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    seen: dict[TaskId, int] = {}
    gaps = 0
    async with (
        open_line(cluster.database_url) as line,
        Bus.open(cluster.redis_url) as bus,
        bus.subscribe(EventFrame) as frames,
    ):
        log, cursor = EventLog(line), Cursor()
        submitted = await cluster.submit(hive, TASKS)
        async with asyncio.timeout(60):
            while len(seen) < TASKS:
                gaps += isinstance(await next_news(frames), Gap)
                for event in await log.after(cursor):
                    assert event.cursor is not None
                    assert event.cursor > cursor
                    cursor = event.cursor
                    if event.type is EventType.SUCCEEDED:
                        for task_id in event.task_ids:
                            seen[task_id] = seen.get(task_id, 0) + 1
                if gaps == 0 and len(seen) >= 5:
                    await own_redis.kill()
                    await own_redis.start()
    assert gaps > 0
    assert set(seen) == set(submitted)
    assert set(seen.values()) == {1}


async def next_news(frames: Subscription[EventFrame]) -> EventFrame | Gap | None:
    """Return what comes next; nothing after a while, for the log may settle after the last hint."""
    try:
        async with asyncio.timeout(0.5):
            return await anext(frames)
    except TimeoutError:
        return None
