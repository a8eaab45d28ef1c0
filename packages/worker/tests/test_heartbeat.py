"""Leases in hand are renewed from a thread: those alone, and only while the loop makes progress."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from asyncpg import Connection

from hive_contracts.clocks import BootClock
from hive_contracts.errors import ConfigurationError, SchemaMismatchError
from hive_contracts.ids import LeaseId, TaskId
from hive_store import migrate
from hive_testkit.ground import Ground, open_ground
from hive_testkit.plugin import OwnServer
from hive_testkit.waiting import until
from hive_worker.heartbeat import Beat, Heartbeat
from hive_worker.holdings import Holdings
from hive_worker.proof import Proof
from hive_worker.settings import WorkerSettings

SELDOM = WorkerSettings(slots=3, heartbeat_seconds=5)
OFTEN = WorkerSettings(heartbeat_seconds=0.2, lease_seconds=1.6, lease_margin_seconds=0.4)


class Scene:
    """A heartbeat, and what it has told."""

    def __init__(self, ground: Ground, database_url: str, settings: WorkerSettings) -> None:
        self.holdings = Holdings()
        self.beats: list[Beat] = []
        self.was_blocked = False
        self.outdated: list[SchemaMismatchError] = []
        self.running: list[TaskId] = []
        self.moves: list[float] = []
        self.proof = Proof(
            BootClock(),
            lease_seconds=settings.lease_seconds,
            margin_seconds=settings.lease_margin_seconds,
        )
        self.proof.on_move = lambda _: self.moves.append(time.monotonic())
        self.heartbeat = Heartbeat(
            ground.worker.worker_id,
            database_url,
            self.holdings,
            self.proof,
            running=lambda: self.running,
            slots=settings.slots,
            takes_bundles=True,
            is_draining=lambda: False,
            count_stuck=self.count_stuck,
            on_beat=self.beats.append,
            on_outdated=self.outdated.append,
            settings=settings,
            version="1.2.3",
            clock=BootClock(),
        )

    def count_stuck(self, is_blocked: bool) -> int:
        self.was_blocked |= is_blocked
        return int(is_blocked)

    @asynccontextmanager
    async def beating(self) -> AsyncGenerator[None]:
        """Beat beside the body, which begins after the first beat."""
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(self.heartbeat.run())
            await until(lambda: bool(self.beats))
            yield
            running.cancel()

    async def next_beat(self) -> Beat:
        count = len(self.beats)
        self.heartbeat.beat_now()
        await until(lambda: len(self.beats) > count, within_seconds=3)
        return self.beats[-1]


async def accepted(ground: Ground) -> tuple[LeaseId, TaskId]:
    [leased] = await ground.lease(1)
    return leased.task.lease_id, leased.task.id


async def test_only_leases_in_hand_are_renewed(
    ground: Ground, database_url: str, database: "Connection[Any]"
) -> None:
    scene = Scene(ground, database_url, SELDOM)
    held, task_id = await accepted(ground)
    unheard_of, _ = await accepted(ground)
    scene.holdings.take(held, {task_id})
    await database.execute("update hive.lease set expires_at = now() + interval '2 seconds'")
    async with scene.beating():
        pass
    renewed = "select id from hive.lease where expires_at > now() + interval '9 seconds'"
    assert [row["id"] for row in await database.fetch(renewed)] == [held]
    assert await database.fetchval("select count(*) from hive.lease where id = $1", unheard_of) == 1
    assert scene.beats == [Beat(frozenset(), ())]
    assert scene.proof.holds


async def test_what_is_no_longer_ours_is_told(ground: Ground, database_url: str) -> None:
    scene = Scene(ground, database_url, SELDOM)
    held, task_id = await accepted(ground)
    gone = LeaseId(UUID(int=7))
    for lease_id in (held, gone):
        scene.holdings.take(lease_id, {task_id})
    async with scene.beating():
        assert scene.beats == [Beat(frozenset({gone}), ())]


async def test_running_tasks_that_were_called_off_are_told_at_the_next_beat(
    ground: Ground, database_url: str
) -> None:
    scene = Scene(ground, database_url, SELDOM)
    _, ours = await accepted(ground)
    _, theirs = await accepted(ground)
    scene.running = [ours]
    async with scene.beating():
        await ground.tasks.cancel([ours, theirs])
        assert (await scene.next_beat()).cancelled == (ours,)


async def test_the_registry_says_what_the_worker_serves(
    ground: Ground, database_url: str, database: "Connection[Any]"
) -> None:
    async with Scene(ground, database_url, SELDOM).beating():
        row = await database.fetchrow("select * from hive.worker")
    assert row is not None
    assert (row["queues"], row["slots"], row["version"]) == (["default"], 3, "1.2.3")
    assert not row["is_draining"]


async def test_a_loop_that_hangs_has_its_leases_renewed_no_more(
    ground: Ground, database_url: str
) -> None:
    scene = Scene(ground, database_url, OFTEN)
    async with scene.beating():
        hung_at = time.monotonic()
        time.sleep(3)  # noqa: ASYNC251 - this is the hang
        last_before_the_end = scene.moves[-1] - hung_at
        await until(lambda: scene.moves[-1] - hung_at > 3)
    assert 0.1 < last_before_the_end < 2.5


async def test_a_loop_that_is_busy_for_less_than_a_lease_loses_nothing(
    ground: Ground, database_url: str
) -> None:
    scene = Scene(ground, database_url, OFTEN)
    async with scene.beating():
        time.sleep(1.4)  # noqa: ASYNC251 - this is the work
        assert scene.proof.holds


async def test_a_loop_that_is_blocked_is_noticed_while_it_is(
    ground: Ground, database_url: str
) -> None:
    scene = Scene(ground, database_url, OFTEN)
    async with scene.beating():
        for _ in range(20):
            time.sleep(0.6)  # noqa: ASYNC251 - this is what blocks
            if scene.was_blocked:
                break
            await asyncio.sleep(0.1)
    assert scene.was_blocked


async def test_a_fault_in_the_thread_ends_the_run(ground: Ground) -> None:
    scene = Scene(ground, "mysql://nowhere/hive", SELDOM)
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(10):
            await scene.heartbeat.run()
    assert isinstance(caught.value.exceptions[0], ConfigurationError)


async def test_a_schema_that_has_become_too_new_is_told_and_leases_are_renewed_all_the_same(
    ground: Ground, database_url: str, database: "Connection[Any]"
) -> None:
    scene = Scene(ground, database_url, SELDOM)
    lease_id, _ = await accepted(ground)
    async with scene.beating():
        assert not scene.outdated
        await database.execute("insert into hive.migration (number, name) values (9999, 'future')")
        scene.holdings.take(lease_id, {TaskId(1)})
        assert (await scene.next_beat()).dropped == frozenset()
        assert "schema 9999 of Hive, newer" in str(scene.outdated[0])


async def test_when_the_run_ends_its_thread_has_ended(
    ground: Ground, database_url: str, database: "Connection[Any]"
) -> None:
    scene = Scene(ground, database_url, OFTEN)
    async with scene.beating():
        pass
    known = len(scene.moves)

    async def is_alone() -> bool:
        return await database.fetchval(
            "select count(*) = 0 from pg_stat_activity where query ~ 'hive.worker' and"
            " datname = current_database() and pid <> pg_backend_pid()"
        )

    await until(is_alone)
    assert len(scene.moves) == known


async def test_an_outage_of_postgres_is_outlived(own_postgres: OwnServer) -> None:
    await migrate(own_postgres.url)
    async with open_ground(own_postgres.url) as ground:
        scene = Scene(ground, own_postgres.url, OFTEN)
        async with scene.beating():
            await own_postgres.stop()
            await until(lambda: not scene.proof.holds)
            await own_postgres.start()
            await until(lambda: scene.proof.holds)
