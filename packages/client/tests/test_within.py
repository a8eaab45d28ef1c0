"""Submitting inside a transaction of the caller's, on a connection that Hive knows nothing of."""

import asyncio
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_bus.bus import Bus
from hive_calls.demonstration import echo
from hive_client import Hive, NewTask
from hive_contracts.errors import RefusedTaskError, SchemaMismatchError, UsageError
from hive_contracts.events import EventFrame
from hive_contracts.states import TaskState
from hive_store import Connection, Doorbell, submitting

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def test_tasks_are_there_when_the_transaction_commits_and_not_before(
    hive: Hive, database: Database
) -> None:
    async with database.transaction():
        task_id = await hive.within(database).submit(echo, 1)
        assert await hive.tasks.count() == {}
    assert (await hive.show(task_id)).payload["args"] == [1]


async def test_what_is_rolled_back_never_was(hive: Hive, database: Database) -> None:
    transaction = database.transaction()
    await transaction.start()
    await hive.within(database).submit_many([NewTask(kind="trial")] * 3)
    await transaction.rollback()
    assert await hive.tasks.count() == {}


async def test_queens_are_woken_by_the_commit_and_the_bus_is_told_nothing(
    hive: Hive, database: Database, database_url: str, redis_url: str
) -> None:
    async with (
        Doorbell.open(database_url) as bell,
        Bus.open(redis_url) as bus,
        bus.subscribe(EventFrame) as frames,
    ):
        await bell.listen()
        assert await bell.wait(seconds=5)
        async with database.transaction():
            within = await hive.within(database).submit("trial")
            assert not await bell.wait(seconds=0.05)
        assert await bell.wait(seconds=5)
        other = await hive.submit("trial")
        async with asyncio.timeout(5):
            first = await anext(frames)
    assert isinstance(first, EventFrame)
    assert [event.task_ids for event in first.events] == [(other,)]
    assert within < other


async def test_a_connection_of_a_pool_will_do(hive: Hive, database_url: str) -> None:
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        lent: Connection = connection
        task_id = await hive.with_options(queue="side").within(lent).submit("trial", {"n": 1})
    assert (await hive.show(task_id)).queue == "side"


async def test_a_connection_with_codecs_of_its_own_will_do(hive: Hive, database: Database) -> None:
    def refuse(value: Any) -> Any:
        raise NotImplementedError(value)

    for kind in ("json", "jsonb"):
        await database.set_type_codec(kind, encoder=refuse, decoder=refuse, schema="pg_catalog")
    async with database.transaction():
        task_id = await hive.within(database).submit("trial", {"n": [None, "ü"]})
    assert (await hive.show(task_id)).payload == {"n": [None, "ü"]}


async def test_without_an_open_transaction_it_is_refused(hive: Hive, database: Database) -> None:
    with pytest.raises(UsageError, match=r"no transaction is open .*connection.transaction\(\)"):
        await hive.within(database).submit("trial")
    assert await hive.tasks.count() == {}


async def test_a_refusal_half_way_takes_back_its_own_and_nothing_of_the_callers(
    hive: Hive, database: Database
) -> None:
    tasks = [NewTask(kind="trial")] * (submitting.BATCH_TASKS + 1)
    async with database.transaction():
        kept = await hive.within(database).submit("trial", queue="kept")
        with pytest.raises(RefusedTaskError, match="not -1"):
            await hive.within(database).submit_many([*tasks, NewTask(kind="trial", priority=-1)])
    assert await hive.tasks.count() == {"kept": {TaskState.QUEUED: 1}}
    assert (await hive.show(kept)).queue == "kept"


async def test_a_database_without_a_hive_is_told_from_the_one_with_it(
    hive: Hive, postgres_server: str
) -> None:
    other = await asyncpg.connect(postgres_server)
    try:
        with pytest.raises(SchemaMismatchError, match="connect to the database that Hive uses"):
            async with other.transaction():
                await hive.within(other).submit("trial")
    finally:
        await other.close()
