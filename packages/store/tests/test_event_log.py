"""The log by cursor: in order, missing nothing, whatever is committed when."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg

from hive_contracts.events import Cursor, EventType
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_contracts.tasks import NewTask
from hive_store import EventLog, Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.event_log import BEGINNING
from hive_store.worker_store import Ending
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
LeaseOut: TypeAlias = Callable[[int], Awaitable[tuple[LeaseId, list[TaskId]]]]

PAGE = Path(__file__).parents[3] / "docs" / "events.md"
SQL = re.compile(r"```sql\n(.*?)```", re.DOTALL)
TELL = "insert into hive.event (type, task_id) values ('started', $1) returning id"


async def test_a_reader_waits_for_older_transactions_where_a_cursor_by_id_steps_over_them(
    log: EventLog, database: Connection, database_url: str
) -> None:
    other = await asyncpg.connect(database_url)
    try:
        older, younger = database.transaction(), other.transaction()
        await older.start()
        await database.fetchval("select pg_current_xact_id()")
        await younger.start()
        low = await other.fetchval(TELL, 2)
        high = await database.fetchval(TELL, 1)
        assert low < high, "the younger transaction was to have the smaller id"
        await older.commit()
        # What is there to see now: id 2 of the older. A reader by id reads it and never looks back.
        by_id = await database.fetch("select id, task_id from hive.event where id > 0 order by id")
        assert [row["task_id"] for row in by_id] == [1]
        first = await log.after(BEGINNING)
        assert [event.task_ids for event in first] == [(1,)]
        await younger.commit()
        missed = await database.fetch("select * from hive.event where id > $1", by_id[-1]["id"])
        assert missed == []
        assert first[-1].cursor is not None
        second = await log.after(first[-1].cursor)
        assert [event.task_ids for event in second] == [(2,)]
    finally:
        await other.close()


async def test_what_commits_after_an_older_transaction_is_not_shown_before_it(
    log: EventLog, database: Connection, database_url: str
) -> None:
    other = await asyncpg.connect(database_url)
    try:
        async with database.transaction():
            await database.fetchval(TELL, 1)
            await other.fetchval(TELL, 2)
            assert await log.after(BEGINNING) == []
        assert [event.task_ids for event in await log.after(BEGINNING)] == [(1,), (2,)]
    finally:
        await other.close()


async def test_a_reader_misses_nothing_while_many_commit_out_of_order(
    log: EventLog, database_url: str
) -> None:
    writers, each = 6, 50
    told: set[int] = set()

    async def write(number: int) -> None:
        connection = await asyncpg.connect(database_url)
        try:
            for i in range(each):
                first, second = (number * each + i) * 2 + 1, (number * each + i) * 2 + 2
                transaction = connection.transaction()
                await transaction.start()
                await connection.fetchval(TELL, first)
                await connection.fetchval(TELL, second)
                if i % 5 == 4:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    told.update((first, second))
        finally:
            await connection.close()

    cursor, seen = BEGINNING, list[int]()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        at_work = [group.create_task(write(number)) for number in range(writers)]
        while not all(task.done() for task in at_work) or len(seen) < len(told):
            for event in await log.after(cursor, limit=7):
                assert event.cursor is not None
                assert event.cursor > cursor
                cursor = event.cursor
                seen += event.task_ids
    assert sorted(seen) == sorted(told)


async def test_reading_from_the_end_shows_only_what_comes_after(
    log: EventLog, tasks: TaskStore
) -> None:
    await tasks.submit([NewTask(kind="call")])
    end = await log.end()
    assert await log.after(end) == []
    [new] = await tasks.submit([NewTask(kind="call")])
    assert [event.task_ids for event in await log.after(end)] == [(new,)]


async def test_the_end_lies_before_what_is_still_open(log: EventLog, database: Connection) -> None:
    async with database.transaction():
        await database.fetchval(TELL, 1)
        end = await log.end()
    assert [event.task_ids for event in await log.after(end)] == [(1,)]


async def test_a_page_ends_where_the_next_begins(log: EventLog, database: Connection) -> None:
    for i in range(10):
        await database.fetchval(TELL, i + 1)
    cursor, seen = BEGINNING, list[int]()
    while page := await log.after(cursor, limit=3):
        seen += [event.task_ids[0] for event in page]
        cursor = page[-1].cursor or cursor
    assert seen == list(range(1, 11))


async def test_submits_and_claims_are_one_event_each_and_endings_one_per_task(
    log: EventLog, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, ids = await lease_out(3)
    await worker.start([(ids[0], lease_id)])
    await worker.finish(
        [
            Ending(
                task_id=i, lease_id=lease_id, move=Move.FAIL, outcome=OutcomeName.FAILED, error="no"
            )
            for i in ids[:2]
        ]
    )
    events = await log.after(BEGINNING)
    assert [(e.type, set(e.task_ids), e.attempts, e.reason) for e in events] == [
        (EventType.QUEUED, set(ids), (), None),
        (EventType.DISPATCHED, set(ids), (), None),
        (EventType.STARTED, {ids[0]}, (1,), None),
        *((EventType.FAILED, {i}, (1,), "no") for i in ids[:2]),
    ]
    assert all(event.at is not None for event in events)
    assert [event.type for event in await log.of_task(ids[0])] == [
        EventType.QUEUED,
        EventType.DISPATCHED,
        EventType.STARTED,
        EventType.FAILED,
    ]


async def test_a_whole_life_is_told(
    queen: QueenStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
    open_line: Callable[[], Line],
) -> None:
    log, tasks = EventLog(open_line()), TaskStore(open_line())
    lease_id, [task_id] = await lease_out(1)

    async def claim() -> LeaseId:
        [bundle] = await queen.claim(
            "default",
            limit=1,
            lease=timedelta(minutes=1),
            bundle_size=1,
            worker_count=1,
            watermarks=Watermarks(),
        )
        return bundle.lease_id

    retry = Ending(
        task_id=task_id, lease_id=lease_id, move=Move.RETRY, outcome=OutcomeName.TIMED_OUT
    )
    await worker.finish([retry])
    await queen.sweep_due(batch_size=1)
    await queen.release([await claim()], reason="no worker is there")
    lost = await claim()
    await worker.accept([lost], lease=timedelta(minutes=1))
    await worker.start([(task_id, lost)])
    await pass_time(database, 61)
    await queen.reap(batch_size=1)
    await tasks.cancel([task_id])
    await tasks.revive([task_id])
    await claim()
    await tasks.cancel([task_id])
    await tasks.cancel([task_id])
    events = await log.of_task(task_id)
    # When time is made to pass, the log's moments stay, and its lists are not where they should be.
    lists = (EventType.QUEUED, EventType.DISPATCHED)
    told = [(event.type, event.attempts) for event in events if event.type not in lists]
    assert told == [
        (EventType.RETRIED, (1,)),
        (EventType.RELEASED, (2,)),
        (EventType.STARTED, (2,)),
        (EventType.LOST, (2,)),
        (EventType.CANCELLED, ()),
        (EventType.REVIVED, ()),
        (EventType.CANCEL_REQUESTED, ()),
    ]


async def test_the_oldest_open_transaction_is_named(
    log: EventLog, queen: QueenStore, database_url: str
) -> None:
    named = {"application_name": "a-forgotten-psql"}
    other = await asyncpg.connect(database_url, server_settings=named)
    try:
        async with other.transaction():
            await other.fetchval(TELL, 1)
            found = await log.oldest_transaction()
            assert found is not None
            assert (found.application, found.pid) == ("a-forgotten-psql", other.get_server_pid())
            assert found.age_seconds >= 0
            assert await queen.oldest_transaction_seconds() >= found.age_seconds
    finally:
        await other.close()


def test_cursors_compare_by_transaction_first() -> None:
    assert Cursor(5, 900) < Cursor(6, 1)


async def test_every_claim_of_a_task_is_found_among_those_of_others(
    log: EventLog, tasks: TaskStore, queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    _, others = await lease_out(2)
    lease_id, [task_id] = await lease_out(1)
    retry = Ending(
        task_id=task_id, lease_id=lease_id, move=Move.RETRY, outcome=OutcomeName.FAILED, error="no"
    )
    await worker.finish([retry])
    await queen.sweep_due(batch_size=1)
    await lease_out(1)
    kinds = [event.type for event in await log.of_task(task_id)]
    assert kinds == ["queued", "dispatched", "retried", "dispatched"]
    assert [event.type for event in await log.of_task(others[0])] == ["queued", "dispatched"]


async def test_the_log_is_read_backwards_in_the_same_order(log: EventLog, tasks: TaskStore) -> None:
    ids = [(await tasks.submit([NewTask(kind="call")]))[0] for _ in range(5)]
    end = await log.end()
    await tasks.submit([NewTask(kind="call")])
    last = await log.before(end, limit=2)
    assert [event.task_ids for event in last] == [(ids[4],), (ids[3],)]
    assert last[-1].cursor is not None
    rest = await log.before(last[-1].cursor)
    assert [event.task_ids for event in rest] == [(ids[2],), (ids[1],), (ids[0],)]
    assert await log.before(BEGINNING) == []


async def test_everything_since_a_moment_lies_behind_its_place(
    log: EventLog, tasks: TaskStore, database: Connection, database_url: str
) -> None:
    await tasks.submit([NewTask(kind="call")])
    late = await asyncpg.connect(database_url)
    try:
        async with late.transaction():
            await late.fetchval("select pg_current_xact_id()")
            [between] = await tasks.submit([NewTask(kind="call")])
            moment = await database.fetchval("select clock_timestamp()")
            await late.fetchval(TELL, 77)
    finally:
        await late.close()
    place = await log.place_of(moment)
    assert place is not None
    assert [event.task_ids for event in await log.after(place)] == [(77,), (between,)]
    assert await log.place_of(moment + timedelta(hours=1)) is None


async def test_a_transaction_that_withholds_events_is_named_and_one_that_only_reads_is_not(
    log: EventLog, tasks: TaskStore, database: Connection, database_url: str
) -> None:
    reader = await asyncpg.connect(database_url)
    try:
        async with reader.transaction(isolation="repeatable_read"):
            await reader.fetchval("select count(*) from hive.task")
            assert await log.holdup() is None
            async with database.transaction():
                await database.fetchval("select pg_current_xact_id()")
                assert await log.holdup() is None, "nothing has been told that could be withheld"
                await tasks.submit([NewTask(kind="call")])
                holdup = await log.holdup()
                assert holdup is not None
                assert holdup.by is not None
                assert holdup.by.pid == database.get_server_pid()
            assert await log.holdup() is None
    finally:
        await reader.close()


async def test_the_statements_of_the_page_run_as_they_stand(
    log: EventLog, tasks: TaskStore, database: Connection
) -> None:
    reading, waiting, adding = SQL.findall(PAGE.read_text(encoding="utf-8"))
    task_ids = await tasks.submit([NewTask(kind="trial"), NewTask(kind="trial")])
    [row] = await database.fetch(reading)
    [event] = await log.after(BEGINNING)
    assert event.cursor == Cursor(int(row["xid"]), row["id"])
    assert row["tasks"] == task_ids == [*event.task_ids]
    assert await database.fetch(waiting) == []
    await tasks.cancel(task_ids)
    assert [row["id"] for row in await database.fetch(waiting)] == task_ids
    assert await database.fetchval(adding) == 1
