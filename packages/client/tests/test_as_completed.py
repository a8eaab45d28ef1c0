"""Results as they come: each once, from many tasks, and through the absence of servers."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from hive_bus.bus import Bus
from hive_client import EndedTask, Hive, TaskFailedError, TaskId
from hive_client.lookout import LOOK_TASKS
from hive_contracts.errors import UnknownTaskError
from hive_contracts.events import Event, EventFrame, EventType
from hive_contracts.states import TaskState
from hive_store import TaskStore, migrate, open_line
from hive_testkit.ground import Ground, open_ground
from hive_testkit.plugin import OwnServer
from hive_testkit.waiting import until

SOON = timedelta(seconds=20)


class WatchedStore(TaskStore):
    """The store itself, which counts how much it was asked for at once."""

    asked: list[int]
    checked: list[int]

    async def find_unknown(self, task_ids: Sequence[TaskId]) -> list[TaskId]:
        self.checked = [*getattr(self, "checked", []), len(task_ids)]
        return await super().find_unknown(task_ids)

    async def read_ended(self, task_ids: Sequence[TaskId]) -> list[EndedTask]:
        self.asked = [*getattr(self, "asked", []), len(task_ids)]
        return await super().read_ended(task_ids)


async def test_each_task_comes_once_as_it_ends(hive: Hive, ground: Ground) -> None:
    first, second, third = await ground.submit(3)
    ends = hive.as_completed([third, first, second, first], within=SOON)
    for number, task_id in enumerate((first, second, third)):
        await ground.end_next(result=str(number))
        ended = await anext(ends)
        assert (ended.id, ended.result_or_raise()) == (task_id, number)
    assert [ended async for ended in ends] == []
    assert [ended async for ended in hive.as_completed([])] == []


async def test_many_are_looked_at_a_part_at_a_time(database_url: str, ground: Ground) -> None:
    count = 3 * LOOK_TASKS + 1
    task_ids = await ground.submit(count)
    await ground.end_next(count - 1)
    async with open_line(database_url) as line:
        store = WatchedStore(line)
        async with Hive.over(store, None) as hive:
            seen: set[TaskId] = set()
            async for ended in hive.as_completed(task_ids, within=SOON):
                assert ended.id not in seen
                seen.add(ended.id)
                if len(seen) == count - 1:
                    await ground.end_next()
    assert seen == set(task_ids)
    assert max(store.asked) == LOOK_TASKS


async def test_a_lost_hint_is_made_up_for_while_other_hints_keep_coming(
    hive: Hive, ground: Ground, redis_url: str
) -> None:
    other, lost = await ground.submit(2)
    async with asyncio.timeout(10), Bus.open(redis_url) as bus:
        waiting = asyncio.Event()

        async def chatter() -> None:
            # Of a task that does not end: each is a reason to look, and none at the right one.
            while True:
                await bus.publish(EventFrame((Event(type=EventType.FAILED, task_ids=(lost,)),)))
                await asyncio.sleep(0.005)
                waiting.set()

        async with asyncio.TaskGroup() as group:
            talking = group.create_task(chatter())
            ends = hive.as_completed([other, lost])
            coming = group.create_task(anext(ends))
            await waiting.wait()
            assert await ground.end_next() == [other]
            assert (await coming).id == other
            talking.cancel()
            await ends.aclose()


async def test_nothing_is_given_if_one_of_them_is_unknown(hive: Hive, ground: Ground) -> None:
    [known] = await ground.submit(1)
    await ground.end_next()
    for unknown in (TaskId(4711), TaskId(2**70)):
        with pytest.raises(UnknownTaskError, match=f"no task {unknown}"):
            await anext(hive.as_completed([known, unknown]))


async def test_time_runs_out_for_what_has_not_ended_and_it_goes_on(
    hive: Hive, ground: Ground
) -> None:
    ended, other = await ground.submit(2)
    await ground.end_next()
    ends = hive.as_completed([other, ended], within=timedelta(seconds=0.3))
    assert (await anext(ends)).id == ended
    with pytest.raises(TimeoutError):
        await anext(ends)
    assert (await hive.show(other)).state is TaskState.QUEUED


async def test_a_failure_is_raised_for_who_asks_for_it(hive: Hive, ground: Ground) -> None:
    queued, succeeding = await hive.submit("trial", priority=9), await hive.submit("trial")
    await hive.cancel(queued)
    await ground.end_next(result="[1]")
    assert (await hive.wait(succeeding, within=SOON)).result_or_raise() == [1]
    cancelled = await hive.wait(queued, within=SOON)
    with pytest.raises(TaskFailedError, match=f"^task {queued} was cancelled$") as raised:
        cancelled.result_or_raise()
    assert (raised.value.task_id, raised.value.state) == (queued, "cancelled")


async def test_a_waiter_hears_at_once_of_a_task_that_is_cancelled_before_it_ran(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_client.lookout.POLL_SECONDS", 60)
    task_id = await hive.submit("trial")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(hive.wait(task_id))
        await until(lambda: hive.lookout.awaited == 1)
        await hive.lookout.news.begin()
        assert await hive.cancel(task_id) == {task_id: TaskState.CANCELLED}
    assert waiting.result().state is TaskState.CANCELLED


async def test_however_many_wait_there_is_one_subscription(
    hive: Hive, ground: Ground, redis_url: str
) -> None:
    task_ids = await ground.submit(30)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for task_id in task_ids:
            group.create_task(hive.wait(task_id))
        await until(lambda: hive.lookout.awaited == 30)
        await hive.lookout.news.begin()
        client_class: Any = Redis  # redis-py leaves its options untyped
        async with client_class.from_url(redis_url) as redis:
            [(_, listeners)] = await redis.pubsub_numsub("hive:events")
        await ground.end_next(30)
    assert listeners == 1
    assert hive.lookout.awaited == 0


async def test_a_statement_asks_for_all_who_wait_and_none_is_sent_for_one_of_them(
    database_url: str, ground: Ground
) -> None:
    count = LOOK_TASKS
    task_ids = await ground.submit(count)
    async with open_line(database_url) as line:
        store = WatchedStore(line)
        async with Hive.over(store, None) as hive, asyncio.TaskGroup() as group:
            waiting = [group.create_task(hive.wait(i, within=SOON)) for i in task_ids]
            await until(lambda: len(getattr(store, "asked", [])) >= 3)
            before_the_end = list(store.asked)
            await ground.end_next(count)
    assert set(store.checked) == {count}
    assert set(before_the_end) == {count}
    assert [task.result().id for task in waiting] == task_ids


async def test_one_task_that_is_unknown_ends_no_other_wait(hive: Hive, ground: Ground) -> None:
    [task_id] = await ground.submit(1)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(hive.wait(task_id, within=SOON))
        together = group.create_task(hive.wait(task_id, within=SOON))
        with pytest.raises(UnknownTaskError, match="no task 4711"):
            await hive.wait_for_all([task_id, TaskId(4711)], within=SOON)
        await ground.end_next()
    assert waiting.result() == together.result()


async def test_who_waits_for_a_task_that_is_deleted_is_told(
    database_url: str, database: "asyncpg.Connection[asyncpg.Record]", ground: Ground
) -> None:
    """It had ended, nobody heard of it, and retention was faster than the next look."""
    ended, other, gone = await ground.submit(3)
    async with open_line(database_url) as line, Hive.over(TaskStore(line), None) as hive:
        await ground.end_next()
        ends = hive.as_completed([ended, gone], within=SOON)
        assert (await anext(ends)).id == ended
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(hive.wait(other, within=SOON))
            await database.execute("delete from hive.task where id = $1", gone)
            with pytest.raises(UnknownTaskError, match=f"no task {gone}"):
                await anext(ends)
            assert await ground.end_next() == [other]
        assert waiting.result().id == other


async def test_a_slow_reader_holds_up_nobody_and_gets_all(hive: Hive, ground: Ground) -> None:
    task_ids = await ground.submit(LOOK_TASKS + 500)
    await ground.end_next(LOOK_TASKS + 499)
    slow = hive.as_completed(task_ids, within=SOON)
    seen = [(await anext(slow)).id]
    await ground.end_next()
    assert (await hive.wait(task_ids[-1], within=SOON)).id == task_ids[-1]
    seen += [ended.id async for ended in slow]
    assert sorted(seen) == task_ids


async def test_a_mistake_while_looking_is_raised_where_somebody_waits(
    hive: Hive, ground: Ground, database_url: str
) -> None:
    [task_id] = await ground.submit(1)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_error_of(hive.wait(task_id, within=SOON)))
        await until(lambda: hive.lookout.awaited == 1)
        await hive.lookout.news.begin()
        connection = await asyncpg.connect(database_url)
        await connection.execute("alter table hive.task rename column claims to claimed")
        assert isinstance(await waiting, asyncpg.UndefinedColumnError)
        await connection.execute("alter table hive.task rename column claimed to claims")
        await connection.close()
    await ground.end_next()
    assert (await hive.wait(task_id, within=SOON)).id == task_id


async def _error_of(work: Awaitable[object]) -> BaseException:
    with pytest.raises(asyncpg.UndefinedColumnError) as raised:
        await work
    return raised.value


async def test_who_stops_reading_leaves_nothing_behind(hive: Hive, ground: Ground) -> None:
    task_ids = await ground.submit(2)
    await ground.end_next()
    async for _ in hive.as_completed(task_ids):
        break
    await until(lambda: hive.lookout.awaited == 0)


async def test_restarts_of_both_servers_delay_results_and_lose_none(
    own_postgres: OwnServer, own_redis: OwnServer, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate(own_postgres.url)
    async with (
        asyncio.timeout(60),
        Hive.connect(own_postgres.url, own_redis.url) as hive,
        open_ground(own_postgres.url) as ground,
    ):
        task_ids = await ground.submit(4)
        await ground.end_next()
        ends = hive.as_completed(task_ids)
        seen = [(await anext(ends)).id]
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(hive.wait_for_all(task_ids))
            await own_postgres.kill()
            await own_redis.kill()
            coming = group.create_task(anext(ends))
            await until(lambda: "; still trying" in caplog.text)
            await own_postgres.start()
            async with open_ground(own_postgres.url) as ground_again:
                await ground_again.end_next()
                seen.append((await coming).id)
                await own_redis.start()
                await ground_again.end_next(2)
                seen += [ended.id async for ended in ends]
        assert sorted(seen) == task_ids
        assert [ended.id for ended in waiting.result()] == task_ids
        assert "Postgres is back" in caplog.text


async def test_time_runs_out_while_postgres_is_away_too(own_postgres: OwnServer) -> None:
    await migrate(own_postgres.url)
    async with Hive.connect(own_postgres.url) as hive:
        task_id = await hive.submit("trial")
        await own_postgres.kill()
        with pytest.raises(TimeoutError):
            await hive.wait(task_id, within=timedelta(seconds=0.5))
