"""A line comes back by itself, says what is wrong, and is never left with somebody else's reply."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from hive_contracts.errors import (
    ConfigurationError,
    SchemaMismatchError,
    StoreUnavailableError,
)
from hive_contracts.tasks import NewTask
from hive_store import HOT_SETTINGS, Line, TaskStore, migrate, open_line
from hive_testkit.plugin import OwnServer

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TERMINATE = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid()"
    " and backend_type = 'client backend'"
)
HOLD_THE_LOG = "lock table hive.event in exclusive mode"
"""Whoever changes tasks waits then, in the middle of its statement."""

COUNT_OTHERS = (
    "select count(*) from pg_stat_activity where datname = current_database()"
    " and pid <> pg_backend_pid() and backend_type = 'client backend'"
)


def with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def test_a_line_connects_when_it_is_used_and_not_before(
    database_url: str, database: Connection
) -> None:
    async with open_line(database_url) as line:
        assert await database.fetchval(COUNT_OTHERS) == 0
        assert await line.fetch_value("count_orphans") == 0
        assert await database.fetchval(COUNT_OTHERS) == 1
    async with asyncio.timeout(10):
        while await database.fetchval(COUNT_OTHERS):
            pass


async def test_a_hot_line_forgets_its_plans_when_they_are_old(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    async with open_line(database_url, settings=HOT_SETTINGS) as line:
        async with line.lent() as connection:
            connection.add_query_logger(lambda record: sent.append(record.query))
        await line.fetch("count_orphans")
        assert "discard plans" not in sent
        monkeypatch.setattr("hive_store.line.PLAN_SECONDS", 0.0)
        await line.fetch("count_orphans")
    assert sent[-2] == "discard plans"


async def test_a_line_whose_backend_was_terminated_fails_once_and_comes_back(
    tasks: TaskStore, database: Connection
) -> None:
    await tasks.count()
    assert await database.fetchval(TERMINATE) == 1
    failures = 0
    for _ in range(3):
        try:
            await tasks.count()
        except StoreUnavailableError:
            failures += 1
    assert failures <= 1
    assert await tasks.submit([NewTask(kind="call")])


async def test_a_backend_terminated_in_mid_statement_is_reported_and_replaced(
    tasks: TaskStore, database: Connection, somebody_waits: Callable[[], Awaitable[None]]
) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call")])
    await tasks.cancel([task_id])
    blocker = database.transaction()
    await blocker.start()
    await database.execute(HOLD_THE_LOG)
    answer = asyncio.Future[str]()

    async def revive() -> None:
        try:
            await tasks.revive([task_id])
        except StoreUnavailableError as error:
            answer.set_result(str(error))

    async with asyncio.TaskGroup() as group:
        group.create_task(revive())
        await somebody_waits()
        await database.execute(TERMINATE)
    await blocker.rollback()
    assert "terminating connection" in answer.result()
    assert await tasks.revive([task_id]) == [task_id]


async def test_a_line_survives_a_restart_of_the_server(own_postgres: OwnServer) -> None:
    await migrate(own_postgres.url)
    async with open_line(own_postgres.url) as line:
        tasks = TaskStore(line)
        [task_id] = await tasks.submit([NewTask(kind="call")])
        await own_postgres.kill()
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                await tasks.count()
        await own_postgres.start()
        async with asyncio.timeout(30):
            while True:
                try:
                    record = await tasks.read(task_id)
                    break
                except StoreUnavailableError:
                    continue
        assert record.id == task_id


async def test_a_cancelled_statement_does_not_leave_its_reply_to_the_next(
    tasks: TaskStore, database: Connection, somebody_waits: Callable[[], Awaitable[None]]
) -> None:
    [task_id, other] = await tasks.submit([NewTask(kind="call"), NewTask(kind="call")])
    await tasks.cancel([task_id, other])
    async with database.transaction():
        await database.execute(HOLD_THE_LOG)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(tasks.revive([task_id]))
            await somebody_waits()
            waiting.cancel()
        async with asyncio.timeout(5):
            assert (await tasks.read(other)).id == other
    assert waiting.cancelled()


async def test_one_who_waits_for_a_line_may_be_cancelled_without_harm_to_its_user(
    tasks: TaskStore, database: Connection, somebody_waits: Callable[[], Awaitable[None]]
) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call")])
    await tasks.cancel([task_id])
    async with asyncio.TaskGroup() as group, database.transaction():
        await database.execute(HOLD_THE_LOG)
        user = group.create_task(tasks.revive([task_id]))
        await somebody_waits()
        waiting = group.create_task(tasks.count())
        waiting.cancel()
    assert user.result() == [task_id]


async def test_statements_of_many_tasks_on_one_line_take_turns(tasks: TaskStore) -> None:
    async with asyncio.TaskGroup() as group:
        submits = [group.create_task(tasks.submit([NewTask(kind="call")])) for _ in range(30)]
    ids = [submit.result()[0] for submit in submits]
    assert len(set(ids)) == 30


async def test_a_connection_lost_while_its_schema_is_looked_at_is_not_left_open(
    database_url: str, database: Connection
) -> None:
    await database.execute("delete from hive.migration")
    async with open_line(database_url) as line:
        for _ in range(3):
            with pytest.raises(SchemaMismatchError):
                await line.fetch("count_orphans")
    async with asyncio.timeout(10):
        while await database.fetchval(COUNT_OTHERS):
            pass


async def test_a_server_that_is_not_there_is_unavailable(own_postgres: OwnServer) -> None:
    await own_postgres.stop()
    async with open_line(own_postgres.url) as line:
        with pytest.raises(StoreUnavailableError, match=r"^Postgres at .* did not answer: \S+"):
            await line.fetch("count_orphans")


async def test_a_database_that_is_not_there_is_a_mistake_of_the_configuration(
    database_url: str,
) -> None:
    async with open_line(with_database(database_url, "nowhere")) as line:
        with pytest.raises(ConfigurationError, match='"nowhere" does not exist'):
            await line.fetch("count_orphans")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@/nowhere", "me:[*]{3}@"),
        ("postgresql://me@/nowhere?password=secret", "password=[*]{3}"),
        ("postgresql://me:secret@/nowhere?password=secret&user=you", "user=you"),
        ("mysql://me:secret@host/x", "'mysql://me:[*]{3}@host/x' is no Postgres URL"),
        ("postgresql-ish://[secret", "is no Postgres URL; write it like postgresql://"),
    ],
)
async def test_no_message_shows_a_password(url: str, shown: str, database_url: str) -> None:
    if url.startswith("postgresql:"):
        query = urlsplit(database_url).query
        url = f"{url}{'&' if '?' in url else '?'}{query}"
    with pytest.raises((ConfigurationError, StoreUnavailableError), match=shown) as refusal:
        await Line(url).fetch("count_orphans")
    assert "secret" not in str(refusal.value)


async def test_errors_of_the_statement_itself_are_not_taken_for_an_absence(
    tasks: TaskStore, database: Connection
) -> None:
    await database.execute("alter table hive.task add constraint no_more check (id < 1)")
    with pytest.raises(asyncpg.CheckViolationError, match="no_more"):
        await tasks.submit([NewTask(kind="call")])
    assert await tasks.count() == {}
