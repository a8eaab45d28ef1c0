"""Submit, wait, cancel and look, from Python: with Redis, without it, and while it goes away."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hive_bus.bus import Bus
from hive_client import Hive
from hive_contracts.errors import (
    ConfigurationError,
    RefusedTaskError,
    UnknownTaskError,
    UsageError,
)
from hive_contracts.events import CancelRequest, Event, EventFrame, EventType
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_testkit.ground import Ground
from hive_testkit.plugin import OwnServer


async def tell(redis_url: str, task_id: TaskId) -> None:
    async with Bus.open(redis_url) as bus:
        await bus.publish(EventFrame((Event(type=EventType.SUCCEEDED, task_ids=(task_id,)),)))


async def test_a_submitted_task_can_be_looked_at(hive: Hive) -> None:
    task_id = await hive.submit("trial", {"n": 1}, queue="side", priority=7)
    record = await hive.show(task_id)
    assert (record.kind, record.payload, record.queue) == ("trial", {"n": 1}, "side")
    assert (record.priority, record.state) == (7, TaskState.QUEUED)


async def test_a_task_without_a_payload_has_an_empty_one_and_null_stays_null(hive: Hive) -> None:
    assert (await hive.show(await hive.submit("trial"))).payload == {}
    [task_id] = await hive.submit_many([NewTask(kind="trial", payload=None)])
    assert (await hive.show(task_id)).payload is None


async def test_many_are_submitted_all_or_none(hive: Hive) -> None:
    good, bad = NewTask(kind="trial"), NewTask(kind="trial", priority=-1)
    with pytest.raises(RefusedTaskError, match="not -1"):
        await hive.submit_many([good, bad])
    assert await hive.tasks.count() == {}
    assert await hive.submit_many([]) == []
    first, second = await hive.submit_many([good, good])
    assert first < second


async def test_a_submit_is_told_on_the_bus(hive: Hive, redis_url: str) -> None:
    async with asyncio.timeout(5), Bus.open(redis_url) as bus, bus.subscribe(EventFrame) as frames:
        task_id = await hive.submit("trial")
        frame = await anext(frames)
    assert isinstance(frame, EventFrame)
    assert (frame.events[0].type, frame.events[0].task_ids) == (EventType.QUEUED, (task_id,))


async def test_the_prefix_of_the_bus_may_come_from_the_environment(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVE_REDIS_PREFIX", "other")
    async with (
        asyncio.timeout(5),
        Hive.connect(database_url, redis_url) as hive,
        Bus.open(redis_url, prefix="other") as bus,
        bus.subscribe(EventFrame) as frames,
    ):
        await hive.submit("trial")
        assert isinstance(await anext(frames), EventFrame)


async def test_what_has_ended_is_returned_at_once(hive: Hive, ground: Ground) -> None:
    task_id = await hive.submit("trial")
    await ground.end_next()
    ended = await hive.wait(task_id, within=timedelta(seconds=5))
    assert (ended.id, ended.state, ended.result) == (task_id, TaskState.SUCCEEDED, {"ok": True})
    assert (ended.outcome, ended.attempt, ended.error) == (OutcomeName.SUCCEEDED, 1, None)


@pytest.mark.parametrize("wrong", ["x", 1.0, None, [1]])
async def test_an_id_that_is_no_whole_number_is_refused_in_a_sentence(
    wrong: Any, hive: Hive
) -> None:
    for asked in (hive.wait, hive.cancel, hive.show):
        with pytest.raises(UsageError) as refusal:
            await asked(wrong)
        assert str(refusal.value) == f"the id of a task is a whole number, not {wrong!r}"
    with pytest.raises(UsageError, match="not '1'"):
        await hive.wait_for_all("12")  # pyright: ignore[reportArgumentType]


async def test_how_long_to_wait_is_a_timedelta(hive: Hive) -> None:
    task_id = await hive.submit("trial")
    with pytest.raises(UsageError, match=r"^within is a timedelta, not 30$"):
        await hive.wait(task_id, within=30)  # pyright: ignore[reportArgumentType]


async def test_a_hint_ends_the_wait_before_the_next_poll(
    hive: Hive, ground: Ground, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_client.lookout.POLL_SECONDS", 60)
    task_id = await hive.submit("trial")
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(hive.wait(task_id))
        await ground.end_next()
        while not waiting.done():
            await tell(redis_url, task_id)


async def test_a_hint_that_is_lost_costs_one_poll(hive: Hive, ground: Ground) -> None:
    task_id = await hive.submit("trial")
    async with asyncio.timeout(2.5), asyncio.TaskGroup() as group:
        group.create_task(hive.wait(task_id))
        await asyncio.sleep(0.05)
        await ground.end_next()


async def test_without_redis_results_are_noticed_by_polling(
    lonely_hive: Hive, ground: Ground
) -> None:
    task_id = await lonely_hive.submit("trial")
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        waiting = group.create_task(lonely_hive.wait(task_id))
        await ground.end_next()
    assert waiting.result().id == task_id


async def test_a_redis_that_dies_while_one_waits_costs_a_poll_or_two(
    database_url: str, ground: Ground, own_redis: OwnServer
) -> None:
    async with Hive.connect(database_url, own_redis.url) as hive:
        task_id = await hive.submit("trial")
        async with asyncio.timeout(4), asyncio.TaskGroup() as group:
            waiting = group.create_task(hive.wait(task_id))
            await asyncio.sleep(0.1)
            await own_redis.kill()
            await ground.end_next()
        assert waiting.result().state is TaskState.SUCCEEDED


async def test_a_redis_that_was_never_there_does_not_stop_anything(
    database_url: str, ground: Ground, own_redis: OwnServer
) -> None:
    await own_redis.kill()
    async with asyncio.timeout(10), Hive.connect(database_url, own_redis.url) as hive:
        task_id = await hive.submit("trial")
        await ground.end_next()
        assert (await hive.wait(task_id)).id == task_id


async def test_results_come_in_the_order_asked_for(hive: Hive, ground: Ground) -> None:
    task_ids = await hive.submit_many([NewTask(kind="trial")] * 3)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        first, second, third = task_ids
        waiting = group.create_task(hive.wait_for_all([third, first, second, first]))
        for number in range(3):
            await ground.end_next(result=str(number))
    assert [ended.id for ended in waiting.result()] == [third, first, second, first]
    assert [ended.result for ended in waiting.result()] == [2, 0, 1, 0]


async def test_waiting_for_nothing_is_over_at_once(hive: Hive) -> None:
    assert await hive.wait_for_all([]) == []


@pytest.mark.parametrize("seconds", [0.0, 0.2])
async def test_waiting_ends_when_its_time_is_over_and_the_task_goes_on(
    hive: Hive, seconds: float
) -> None:
    task_id = await hive.submit("trial")
    with pytest.raises(TimeoutError):
        await hive.wait(task_id, within=timedelta(seconds=seconds))
    assert (await hive.show(task_id)).state is TaskState.QUEUED


async def test_an_unknown_task_is_refused_by_its_number(hive: Hive) -> None:
    known = await hive.submit("trial")
    with pytest.raises(UnknownTaskError, match="no task 4711"):
        await hive.wait_for_all([known, TaskId(4711)])
    with pytest.raises(UnknownTaskError, match="no task 4711"):
        await hive.show(TaskId(4711))


async def test_a_task_that_nobody_has_is_cancelled_at_once(hive: Hive, ground: Ground) -> None:
    queued = await hive.submit("trial")
    later = await hive.submit("trial", run_at=datetime.now(UTC) + timedelta(hours=1))
    ended = await hive.submit("trial", priority=0)
    assert await hive.cancel(queued, later) == {
        queued: TaskState.CANCELLED,
        later: TaskState.CANCELLED,
    }
    assert await ground.end_next() == [ended]
    assert await hive.cancel(ended) == {}
    assert (await hive.wait(queued)).outcome is OutcomeName.CANCELLED


async def test_cancelling_leased_work_is_a_request_that_its_worker_hears(
    hive: Hive, ground: Ground, redis_url: str
) -> None:
    task_id = await hive.submit("trial")
    await ground.claim(1)
    async with (
        asyncio.timeout(5),
        Bus.open(redis_url) as bus,
        bus.subscribe(CancelRequest) as frames,
    ):
        assert await hive.cancel(task_id) == {task_id: TaskState.DISPATCHED}
        assert await anext(frames) == CancelRequest((task_id,))


async def test_without_redis_cancelling_works_as_well(lonely_hive: Hive, ground: Ground) -> None:
    task_id = await lonely_hive.submit("trial")
    await ground.claim(1)
    assert await lonely_hive.cancel(task_id) == {task_id: TaskState.DISPATCHED}
    assert (await lonely_hive.show(task_id)).cancel_requested_at is not None


async def test_a_client_that_is_told_no_database_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HIVE_DATABASE_URL", raising=False)
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"`hive up -d`, .* or set HIVE_DATABASE_URL"):
        async with Hive.connect():
            pass


async def test_the_addresses_may_come_from_the_environment(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVE_DATABASE_URL", database_url)
    monkeypatch.setenv("HIVE_REDIS_URL", redis_url)
    async with Hive.connect() as hive:
        assert await hive.submit("trial")
