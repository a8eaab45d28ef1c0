"""What is published arrives, what is told never waits, and Redis may come and go."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from hive_bus.bus import Bus
from hive_bus.gap import Gap
from hive_bus.subscription import Subscription
from hive_contracts.conversing import Said, Shown
from hive_contracts.errors import BusUnavailableError, ConfigurationError
from hive_contracts.events import (
    CancelRequest,
    Event,
    EventFrame,
    EventType,
    Frame,
    LeaseChange,
    LeaseFrame,
)
from hive_contracts.ids import LeaseId, QueenId, TaskId
from hive_contracts.wire import encode_frame


def events(*task_ids: int) -> EventFrame:
    ids = tuple(TaskId(i) for i in task_ids)
    return EventFrame((Event(type=EventType.SUCCEEDED, task_ids=ids),))


def cancel(*task_ids: int) -> CancelRequest:
    return CancelRequest(tuple(TaskId(i) for i in task_ids))


def lease() -> LeaseFrame:
    change = LeaseChange(lease_id=LeaseId(uuid4()), queen_id=QueenId(uuid4()), open=3)
    return LeaseFrame(changes=(change,), run_seconds={"call": (2, 0.5)})


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Bus]:
    async with Bus.open(redis_url) as bus:
        yield bus


async def take(frames: Any, count: int) -> list[Frame | Gap]:
    async with asyncio.timeout(10):
        return [await anext(frames) for _ in range(count)]


async def until_dropped(frames: Subscription[Any], count: int) -> None:
    async with asyncio.timeout(10):
        while frames.dropped < count:  # noqa: ASYNC110 - a slow reader has no event for it
            await asyncio.sleep(0.001)


async def test_every_type_of_frame_arrives_as_it_was_published(bus: Bus) -> None:
    sent = [events(1, 2), lease(), cancel(3)]
    async with bus.subscribe(EventFrame, LeaseFrame, CancelRequest) as frames:
        await bus.publish(*sent)
        arrived = await take(frames, 3)
    assert {repr(frame) for frame in arrived} == {repr(frame) for frame in sent}


async def test_a_reader_hears_only_the_types_that_it_asked_for(bus: Bus) -> None:
    async with bus.subscribe(CancelRequest) as frames:
        await bus.publish(events(1), lease(), cancel(1))
        assert await take(frames, 1) == [cancel(1)]


async def test_hives_with_different_prefixes_do_not_hear_each_other(redis_url: str) -> None:
    async with (
        Bus.open(redis_url, prefix="one") as one,
        Bus.open(redis_url, prefix="two") as two,
        one.subscribe(CancelRequest) as frames,
    ):
        await two.publish(cancel(2))
        await one.publish(cancel(1))
        assert await take(frames, 1) == [cancel(1)]


async def test_events_are_narrowed_to_the_tasks_that_a_reader_asked_for(bus: Bus) -> None:
    both = Event(
        type=EventType.STARTED, task_ids=(TaskId(7), TaskId(8)), attempts=(1, 4), reason="due"
    )
    other = Event(type=EventType.STARTED, task_ids=(TaskId(9),), attempts=(1,))
    async with bus.subscribe(EventFrame, task_ids=[TaskId(8)]) as frames:
        await bus.publish(events(9), EventFrame((other, both)), events(8))
        narrowed, plain = await take(frames, 2)
    kept = Event(type=EventType.STARTED, task_ids=(TaskId(8),), attempts=(4,), reason="due")
    assert narrowed == EventFrame((kept,))
    assert plain == events(8)


async def test_told_frames_arrive_in_the_order_in_which_they_were_told(bus: Bus) -> None:
    async with bus.subscribe(CancelRequest) as frames:
        for number in range(500):
            bus.tell(cancel(number))
        assert await take(frames, 500) == [cancel(number) for number in range(500)]
    assert bus.dropped == 0


async def test_what_was_told_is_sent_before_the_bus_closes(bus: Bus, redis_url: str) -> None:
    async with bus.subscribe(CancelRequest, capacity=2000) as frames:
        async with Bus.open(redis_url) as brief:
            brief.tell(*(cancel(number) for number in range(2000)))
        assert await take(frames, 2000) == [cancel(number) for number in range(2000)]


async def test_a_frame_of_several_megabytes_arrives(bus: Bus) -> None:
    big = events(*range(1_000_000))
    assert len(encode_frame(big)) > 4_000_000
    async with bus.subscribe(EventFrame) as frames:
        await bus.publish(big)
        assert await take(frames, 1) == [big]


async def test_a_message_that_is_not_understood_is_counted_and_skipped(
    bus: Bus, redis_url: str
) -> None:
    client_class: Any = Redis  # redis-py leaves its options untyped
    async with bus.subscribe(CancelRequest) as frames, client_class.from_url(redis_url) as speaker:
        await speaker.publish("hive:cancels", b"\xff from a newer Hive")
        await speaker.publish("hive:cancels", encode_frame(lease()))
        await bus.publish(cancel(1))
        assert await take(frames, 1) == [cancel(1)]
        assert bus.malformed == 2


async def test_a_slow_reader_gets_one_gap_in_place_of_the_oldest_frames(bus: Bus) -> None:
    async with (
        bus.subscribe(CancelRequest, capacity=10) as slow,
        bus.subscribe(CancelRequest) as quick,
    ):
        await bus.publish(*(cancel(number) for number in range(100)))
        assert await take(quick, 100) == [cancel(number) for number in range(100)]
        # Both are sent the same by one server, but the slow one's end may be read a moment later.
        await until_dropped(slow, 91)
        assert await take(slow, 10) == [Gap(), *(cancel(number) for number in range(91, 100))]


async def test_a_slow_reader_never_slows_a_publisher(redis_url: str, bus: Bus) -> None:
    async with bus.subscribe(EventFrame, capacity=2) as slow:
        for _ in range(50):
            await bus.publish(events(*range(10_000)))
        began = perf_counter()
        for _ in range(50):
            bus.tell(events(*range(10_000)))
        told_seconds = perf_counter() - began
        await until_dropped(slow, 98)
    # It tells at once, and would wait for ever for one that never reads.
    assert told_seconds < 10
    assert bus.dropped == 0


async def test_a_reader_may_end_while_frames_wait_for_it(bus: Bus) -> None:
    async with bus.subscribe(CancelRequest) as frames:
        await bus.publish(cancel(1), cancel(2))
        await take(frames, 1)
    async with bus.subscribe(CancelRequest) as frames:
        await bus.publish(cancel(3))
        assert await take(frames, 1) == [cancel(3)]


async def test_an_error_in_the_body_comes_out_as_itself(bus: Bus) -> None:
    cause = OSError("why")
    with pytest.raises(LookupError) as caught:
        async with bus.subscribe(CancelRequest):
            raise LookupError from cause
    assert caught.value.__cause__ is cause


async def test_ping_names_the_server_and_its_version(bus: Bus) -> None:
    name, _, version = (await bus.ping()).partition(" ")
    assert name in {"redis", "valkey"}
    assert int(version.split(".")[0]) >= 6


async def test_a_bus_opens_while_redis_is_away_and_its_errors_show_no_password() -> None:
    async with Bus.open("redis://me:s3cret@127.0.0.1:1/3") as bus:
        with pytest.raises(BusUnavailableError) as from_ping:
            await bus.ping()
        with pytest.raises(BusUnavailableError):
            await bus.publish(cancel(1))
    assert "redis://me:***@127.0.0.1:1/3" in str(from_ping.value)
    assert "s3cret" not in str(from_ping.value)


async def test_a_password_in_the_query_is_not_shown_either() -> None:
    async with Bus.open("unix:///nowhere/s?db=1&password=s3cret") as bus:
        with pytest.raises(BusUnavailableError, match=r"/nowhere/s\?db=1&password=\*\*\* did"):
            await bus.ping()


@pytest.mark.parametrize("url", ["postgres://x:s3cret@y/", "redis://x:s3cret@y:port/"])
async def test_a_url_that_is_not_of_redis_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with Bus.open(url):
            pass
    assert "s3cret" not in str(caught.value)


async def test_a_cancellation_is_never_swallowed(bus: Bus) -> None:
    async def publish_for_ever() -> None:
        while True:
            await bus.publish(cancel(1))

    for ticks in range(60):
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            task = group.create_task(publish_for_ever())
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()


async def test_what_is_said_with_a_task_is_heard_of_that_task_alone(bus: Bus) -> None:
    def said(task_id: int) -> Said:
        return Said(task_id=TaskId(task_id), speaker="me", number=1, data=b"\xff\x00")

    async with bus.subscribe(Said, task_ids={TaskId(7), TaskId(9)}) as frames:
        await bus.publish(said(8), said(7), said(70), said(9))
        assert await take(frames, 2) == [said(7), said(9)]


async def test_nobody_hears_what_is_said_with_every_task(bus: Bus) -> None:
    with pytest.raises(ValueError, match="of named tasks alone"):
        async with bus.subscribe(Shown):
            pass
