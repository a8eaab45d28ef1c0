"""The log's partitions: made ahead, dropped behind, and nothing depends on either."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_contracts.tasks import NewTask
from hive_store import EventLog, QueenStore, TaskStore, WorkerStore
from hive_store.event_log import BEGINNING
from hive_store.worker_store import Ending

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
LeaseOut: TypeAlias = Callable[[int], Awaitable[tuple[LeaseId, list[TaskId]]]]


async def days(database: Connection) -> list[str]:
    rows = await database.fetch(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'hive.event'::regclass and c.relname ~ '^event_[0-9]+$' order by 1"
    )
    return [row["relname"] for row in rows]


def day(offset: int) -> str:
    return f"event_{datetime.now(UTC) + timedelta(days=offset):%Y%m%d}"


async def add_day(database: Connection, offset: int) -> None:
    """A partition of a day that may be long past, as if it had been made then."""
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin += timedelta(days=offset)
    await database.execute(
        f"create table hive.{day(offset)} partition of hive.event"
        f" for values from ('{begin}') to ('{begin + timedelta(days=1)}')"
    )
    await database.execute(
        "insert into hive.event (type, task_id, at) values ('started', 1, $1)",
        begin + timedelta(hours=1),
    )


async def drop_days(database: Connection) -> None:
    for name in await days(database):
        await database.execute(f"drop table hive.{name}")


@pytest.fixture(autouse=True)
async def made_today(database: Connection) -> None:
    """The days that a migration of today makes: what is copied for the test may be of yesterday."""
    await drop_days(database)
    await database.execute("select hive.create_event_days(3)")


async def test_partitions_are_made_for_today_and_the_days_ahead_once(
    queen: QueenStore, database: Connection
) -> None:
    assert await days(database) == [day(offset) for offset in range(4)]
    assert await queen.keep_event_days(ahead=5, keep=3) == (2, 0)
    assert await queen.keep_event_days(ahead=5, keep=3) == (0, 0)
    assert await days(database) == [day(offset) for offset in range(6)]


async def test_days_are_those_of_utc_whatever_the_connection_thinks(database: Connection) -> None:
    await drop_days(database)
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        await database.execute(f"set timezone = '{zone}'")
        await database.fetchval("select hive.create_event_days(2)")
    assert await days(database) == [day(offset) for offset in range(3)]
    await database.execute("insert into hive.event (type, task_id) values ('started', 1)")
    assert await database.fetchval(f"select count(*) from hive.{day(0)}") == 1


async def test_a_finish_works_though_no_partition_was_made_for_today(
    worker: WorkerStore,
    queen: QueenStore,
    log: EventLog,
    lease_out: LeaseOut,
    database: Connection,
) -> None:
    await drop_days(database)
    lease_id, [task_id] = await lease_out(1)
    ending = Ending(
        task_id=task_id, lease_id=lease_id, move=Move.SUCCEED, outcome=OutcomeName.SUCCEEDED
    )
    assert len(await worker.finish([ending])) == 1
    assert await queen.count_stray_events() == 3
    assert len(await log.after(BEGINNING)) == 3
    # Today's rows lie in the default partition, so that today gets none of its own; tomorrow does.
    await queen.keep_event_days(ahead=1, keep=3)
    assert await days(database) == [day(1)]


async def test_days_long_past_are_dropped_and_the_others_kept(
    queen: QueenStore, database: Connection
) -> None:
    for offset in (-5, -3, -2):
        await add_day(database, offset)
    await database.execute(
        "insert into hive.event (type, task_id, at) values"
        " ('started', 1, now() - interval '9 day'), ('started', 2, now() - interval '1 day')"
    )
    assert await queen.keep_event_days(ahead=3, keep=3) == (0, 1)
    assert await days(database) == [day(o) for o in (-3, -2, 0, 1, 2, 3)]
    kept = await database.fetch("select task_id from hive.event_default")
    assert [row["task_id"] for row in kept] == [2]


async def test_dropping_gives_up_behind_a_reader_says_so_and_blocks_nobody(
    queen: QueenStore, tasks: TaskStore, database: Connection
) -> None:
    await add_day(database, -5)
    async with database.transaction():
        await database.fetch("select count(*) from hive.event")
        began = asyncio.get_running_loop().time()
        with pytest.raises(StoreUnavailableError, match="lock timeout"):
            await queen.keep_event_days(ahead=3, keep=3)
        assert asyncio.get_running_loop().time() - began < 2
        async with asyncio.timeout(5):
            await tasks.submit([NewTask(kind="call")])
    assert day(-5) in await days(database)
    assert await queen.keep_event_days(ahead=3, keep=3) == (0, 1)


async def test_a_submit_gets_through_while_a_drop_waits_behind_a_reader(
    queen: QueenStore,
    tasks: TaskStore,
    database: Connection,
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    """Everybody queues behind the drop; it must stand aside within its lock time-out."""
    await add_day(database, -5)
    async with database.transaction():
        await database.fetch("select count(*) from hive.event")
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            dropping = group.create_task(gives_up(queen))
            await somebody_waits()
            await tasks.submit([NewTask(kind="call")])
    assert dropping.result()


async def gives_up(queen: QueenStore) -> bool:
    try:
        await queen.keep_event_days(ahead=3, keep=3)
    except StoreUnavailableError:
        return True
    return False
