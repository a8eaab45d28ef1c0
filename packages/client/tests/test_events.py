"""Events as they happen: in order, nothing missing, and on from where a reader stopped."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TypeAlias

import asyncpg
import pytest

from hive_client import Cursor, Event, EventType, Hive, LostEventsError, LostNameError, SyncHive
from hive_contracts.errors import UsageError
from hive_store import migrate
from hive_testkit.ground import Ground, open_ground
from hive_testkit.plugin import OwnServer
from hive_testkit.timing import pass_time
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

BEGINNING = Cursor()
LONGEST_SECONDS = 60
TELL = "insert into hive.event (type, task_id) values ('started', $1)"

READER = """
import sys
from hive_client import Cursor, SyncHive

with SyncHive.connect(sys.argv[1]) as hive, hive.subscriber("books", begin=Cursor()) as events:
    for event in events:
        print(*event.task_ids, flush=True)
        sys.stdin.readline()
"""


def started_reader(database_url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", READER, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if key != "HIVE_REDIS_URL"},
    )


async def first(count: int, events: AsyncIterator[Event]) -> list[Event]:
    async with asyncio.timeout(LONGEST_SECONDS):
        return [await anext(events) for _ in range(count)]


async def test_events_come_in_order_and_another_reader_goes_on_behind_any(
    hive: Hive, ground: Ground
) -> None:
    task_ids = [(await ground.submit(1))[0] for _ in range(3)]
    events = await first(3, hive.events(after=BEGINNING))
    assert [(event.type, event.task_ids) for event in events] == [
        (EventType.QUEUED, (task_id,)) for task_id in task_ids
    ]
    for after in (events[0].cursor, str(events[0].cursor)):
        assert await first(2, hive.events(after=after)) == events[1:]


async def test_without_a_cursor_only_what_comes_is_given(hive: Hive, ground: Ground) -> None:
    await ground.submit(1)
    submitted: list[int] = []
    async with asyncio.TaskGroup() as group:
        coming = group.create_task(first(1, hive.events()))
        while not coming.done():
            submitted += await ground.submit(1)
            await asyncio.sleep(0.01)
    [event] = coming.result()
    assert event.task_ids[0] in submitted


async def test_only_what_is_wanted_comes_and_lists_are_cut_down(hive: Hive, ground: Ground) -> None:
    one, two = await ground.submit(2, group="g")
    [other] = await ground.submit(1, queue="elsewhere", kind="odd")
    await hive.cancel(two, other)
    wanted = {
        "types": hive.events(after=BEGINNING, types=["cancelled"]),
        "tasks": hive.events(after=BEGINNING, tasks=[two]),
        "group": hive.events(after=BEGINNING, group="g"),
        "queue": hive.events(after=BEGINNING, queue="elsewhere"),
        "kind": hive.events(after=BEGINNING, kind="odd"),
    }
    found = {name: await first(2, events) for name, events in wanted.items()}
    assert {event.type for event in found["types"]} == {"cancelled"}
    assert [event.task_ids for event in found["tasks"]] == [(two,), (two,)]
    assert [event.task_ids for event in found["group"]] == [(one, two), (two,)]
    for name in ("queue", "kind"):
        assert [event.task_ids for event in found[name]] == [(other,), (other,)]


async def test_what_cannot_be_meant_is_refused(hive: Hive) -> None:
    with pytest.raises(UsageError, match="'succeded' is no type of event; types: queued, "):
        await anext(hive.events(types=["succeded"]))
    with pytest.raises(UsageError, match="a cursor is XID:ID"):
        await anext(hive.events(after="yesterday"))
    with pytest.raises(UsageError, match="1 to 200 printable characters"):
        async with hive.subscriber(" "):
            pass


async def test_a_subscriber_misses_nothing_while_many_commit_out_of_order(
    hive: Hive, database_url: str
) -> None:
    writers, each = 4, 30
    told: set[int] = set()

    async def write(number: int) -> None:
        connection = await asyncpg.connect(database_url)
        for i in range(each):
            task_id = number * each + i + 1
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(TELL, task_id)
            await asyncio.sleep(0.001 * (task_id % 7))
            if i % 5 == 4:
                await transaction.rollback()
            else:
                await transaction.commit()
                told.add(task_id)
        await connection.close()

    seen: list[Event] = []
    async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as group:
        at_work = [group.create_task(write(number)) for number in range(writers)]
        while not all(task.done() for task in at_work) or len(seen) < len(told):
            # One that ends after some events, again and again.
            async with hive.subscriber("all", begin=BEGINNING) as events:
                async for event in events:
                    seen.append(event)
                    if len(seen) % 7 == 0 or len(seen) >= writers * each * 4 // 5:
                        await events.commit()
                        break
    assert {task_id for event in seen for task_id in event.task_ids} == told
    cursors = [event.cursor for event in seen if event.cursor is not None]
    assert cursors == sorted(set(cursors))


async def test_a_name_goes_on_behind_what_was_committed_and_begins_only_once(
    hive: Hive, ground: Ground
) -> None:
    task_ids = await ground.submit(1) + await ground.submit(1) + await ground.submit(1)
    for expected in task_ids:
        async with hive.subscriber("me", begin=BEGINNING, commits=False) as events:
            [event] = await first(1, events)
            assert event.task_ids == (expected,)
            await events.commit()
    async with hive.subscriber("me", commits=False) as events:
        later = await ground.submit(1)
        assert [event.task_ids for event in await first(1, events)] == [tuple(later)]
    async with hive.subscriber("me") as events:
        assert [event.task_ids for event in await first(1, events)] == [tuple(later)]


async def test_what_was_handled_is_noted_at_the_end_of_the_context_and_by_page(
    hive: Hive, ground: Ground, database: Connection
) -> None:
    for _ in range(3):
        await ground.submit(1)
    async with hive.subscriber("me", begin=BEGINNING) as events:
        seen = await first(3, events)
        assert events.cursor == BEGINNING
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(anext(events))
            await until(lambda: events.cursor == seen[-1].cursor)
            await ground.submit(1)
            await waiting
    stored = await database.fetchrow("select xid::text, id from hive.subscriber")
    assert stored is not None
    assert f"{stored['xid']}:{stored['id']}" == str(seen[-1].cursor)


async def test_what_a_killed_reader_had_not_committed_is_given_again(
    database_url: str, ground: Ground, hive: Hive, database: Connection
) -> None:
    task_ids = [(await ground.submit(1))[0] for _ in range(3)]
    with started_reader(database_url) as reader:
        assert reader.stdout is not None
        assert reader.stdin is not None
        assert int(reader.stdout.readline()) == task_ids[0]
        reader.stdin.write(b"\n")
        reader.stdin.flush()
        assert int(reader.stdout.readline()) == task_ids[1]
        with pytest.raises(UsageError, match=rf"process {reader.pid} on \S+ reads as subscriber"):
            async with hive.subscriber("books"):
                pass
        reader.send_signal(signal.SIGKILL)
    await pass_time(database, 31)
    async with hive.subscriber("books") as events:
        assert [event.task_ids for event in await first(3, events)] == [(i,) for i in task_ids]


async def test_a_reader_that_was_frozen_for_too_long_can_note_nothing(
    hive: Hive, ground: Ground, database: Connection, database_url: str
) -> None:
    await ground.submit(1)
    async with hive.subscriber("me", begin=BEGINNING) as frozen:
        await first(1, frozen)
        await pass_time(database, 31)
        async with Hive.connect(database_url) as another, another.subscriber("me") as events:
            await first(1, events)
            with pytest.raises(LostNameError, match="another process reads as subscriber 'me'"):
                await frozen.commit()
            with pytest.raises(LostNameError):
                await anext(frozen)
            await events.commit()
    assert await database.fetchval("select id from hive.subscriber") > 0


async def test_what_was_dropped_before_it_was_read_is_told_and_gone_over(
    hive: Hive, ground: Ground, database: Connection
) -> None:
    await database.execute(
        "create table hive.event_20200101 partition of hive.event"
        " for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00')"
    )
    for hour in (10, 11):
        await database.execute(
            "insert into hive.event (type, task_id, at) values ('started', 1, $1)",
            datetime(2020, 1, 1, hour, tzinfo=UTC),
        )
    async with hive.subscriber("me", begin=BEGINNING) as events:
        [event] = await first(1, events)
        await events.commit()
    await database.execute("select hive.drop_event_days(7)")
    [task_id] = await ground.submit(1)
    async with hive.subscriber("me") as events:
        with pytest.raises(LostEventsError, match="2020-01-01 11:00:00 UTC were dropped") as lost:
            await first(1, events)
        await events.go_to(lost.value.go_on_at)
        assert [event.task_ids for event in await first(1, events)] == [(task_id,)]
    with pytest.raises(LostEventsError):
        await first(1, hive.events(after=event.cursor))


async def test_restarts_of_both_servers_delay_events_and_lose_none(
    own_postgres: OwnServer, own_redis: OwnServer
) -> None:
    await migrate(own_postgres.url)
    async with (
        asyncio.timeout(LONGEST_SECONDS),
        Hive.connect(own_postgres.url, own_redis.url) as hive,
        hive.subscriber("me") as events,
    ):
        for _ in range(2):
            async with open_ground(own_postgres.url) as ground:
                task_ids = await ground.submit(1)
                assert (await anext(events)).task_ids == tuple(task_ids)
            async with asyncio.TaskGroup() as group:
                coming = group.create_task(anext(events))
                await own_redis.kill()
                await own_postgres.kill()
                await own_postgres.start()
                async with open_ground(own_postgres.url) as ground:
                    task_ids = await ground.submit(1)
                await own_redis.start()
            assert coming.result().task_ids == tuple(task_ids)


def test_without_asyncio_it_is_the_same(database_url: str, redis_url: str) -> None:
    with SyncHive.connect(database_url, redis_url) as hive:
        task_ids = [hive.submit("trial") for _ in range(3)]
        events = hive.events(after=BEGINNING)
        assert [next(events).task_ids for _ in range(3)] == [(i,) for i in task_ids]
        events.close()
        with hive.subscriber("me", begin=BEGINNING) as subscriber:
            assert next(subscriber).task_ids == (task_ids[0],)
            subscriber.commit()
        with hive.subscriber("me") as subscriber:
            assert [next(subscriber).task_ids for _ in range(2)] == [(i,) for i in task_ids[1:]]
