"""The bell rings when tasks are there to be claimed, and not before."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import StoreUnavailableError
from hive_contracts.tasks import NewTask
from hive_store import Doorbell, Line, TaskStore
from hive_store.statements import statement
from hive_testkit.plugin import OwnServer

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SUBMIT_ONE = (["call"], ["{}"], ["default"], [0], [None], [3], [3], [None], [None])


@pytest.fixture
async def bell(database_url: str) -> AsyncGenerator[Doorbell]:
    """A bell that is connected, and whose first ring is over."""
    async with Doorbell.open(database_url) as bell:
        assert await bell.listen()
        assert await bell.wait(seconds=5)
        yield bell


async def test_a_submit_rings(bell: Doorbell, tasks: TaskStore) -> None:
    await tasks.submit([NewTask(kind="call")])
    assert await bell.wait(seconds=5)
    assert not await bell.wait(seconds=0.05)


async def test_a_plain_insert_rings_too(bell: Doorbell, database: Connection) -> None:
    await database.execute("insert into hive.task (kind) values ('call')")
    assert await bell.wait(seconds=5)


async def test_it_rings_when_the_submitter_commits_and_not_before(
    bell: Doorbell, database: Connection, open_line: Callable[[], Line]
) -> None:
    async with database.transaction():
        await database.fetch(statement("submit_tasks"), *SUBMIT_ONE)
        # Another statement's notification, sent later, arrives; the open one's does not.
        assert not await bell.wait(seconds=0.1)
    assert await bell.wait(seconds=5)


async def test_a_submit_that_is_rolled_back_wakes_nobody(
    bell: Doorbell, database: Connection
) -> None:
    transaction = database.transaction()
    await transaction.start()
    await database.fetch(statement("submit_tasks"), *SUBMIT_ONE)
    await transaction.rollback()
    assert not await bell.wait(seconds=0.1)
    assert await database.fetchval("select count(*) from hive.event") == 0


async def test_a_revival_rings(bell: Doorbell, tasks: TaskStore) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call")])
    await bell.wait(seconds=5)
    await tasks.cancel([task_id])
    assert not await bell.wait(seconds=0.05)
    await tasks.revive([task_id])
    assert await bell.wait(seconds=5)


async def test_schedules_that_people_change_are_told_apart_from_tasks_and_from_what_queens_write(
    bell: Doorbell, database: Connection
) -> None:
    bell.schedules_changed.clear()
    await database.execute("update hive.schedule set next_at = now()")
    await database.execute("insert into hive.task (kind) values ('call')")
    assert await bell.wait(seconds=5)
    assert not bell.schedules_changed.is_set()
    for change in (
        "insert into hive.schedule (name, kind, cron) values ('x', 'call', '@daily')",
        "update hive.schedule set paused_at = now()",
    ):
        await database.execute(change)
        async with asyncio.timeout(5):
            await bell.schedules_changed.wait()
        bell.schedules_changed.clear()
    assert not await bell.wait(seconds=0.05)


async def test_it_can_be_rung_from_within(bell: Doorbell) -> None:
    bell.ring()
    assert await bell.wait(seconds=0)


async def test_what_was_submitted_while_nobody_listened_rings_on_reconnecting(
    bell: Doorbell, tasks: TaskStore, database: Connection
) -> None:
    assert not await bell.listen()
    async with asyncio.timeout(10):
        while not await database.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where query like 'LISTEN%' and datname = current_database()"
        ):
            pass
        await tasks.submit([NewTask(kind="call")])
        while not await bell.listen():
            await bell.wait(seconds=0.01)
    assert await bell.wait(seconds=5)
    await tasks.submit([NewTask(kind="call")])
    assert await bell.wait(seconds=5)


async def test_a_bell_without_a_server_says_so(own_postgres: OwnServer) -> None:
    await own_postgres.stop()
    async with Doorbell.open(own_postgres.url) as bell:
        with pytest.raises(StoreUnavailableError, match="did not answer"):
            await bell.listen()
        assert not await bell.wait(seconds=0.01)
