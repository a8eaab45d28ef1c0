"""Tasks that another transaction holds for a moment are not left out of what a caller asked for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from hive_client import Hive, NewTask, TaskId, TaskState
from hive_client import insisting as module
from hive_contracts.errors import HeldTaskError, UsageError

HOLD = "select from hive.task where id = $1 for update"


@asynccontextmanager
async def held(database_url: str, task_id: TaskId) -> AsyncGenerator[None]:
    """Hold a task's row, as whatever writes to it does."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(HOLD, task_id)
            yield
    finally:
        await connection.close()


async def seen(hive: Hive, task_id: TaskId, state: TaskState) -> None:
    async with asyncio.timeout(30):
        while True:
            if (await hive.show(task_id)).state is state:
                return
            await asyncio.sleep(0.01)


async def two_tasks(hive: Hive) -> list[TaskId]:
    return list(await hive.submit_many([NewTask(kind="trial")] * 2))


async def test_what_is_held_for_a_moment_is_cancelled_all_the_same(
    hive: Hive, database_url: str
) -> None:
    first, second = await two_tasks(hive)
    async with asyncio.TaskGroup() as group, held(database_url, first):
        cancelling = group.create_task(hive.cancel(first, second))
        await seen(hive, second, TaskState.CANCELLED)
        assert not cancelling.done()
    assert cancelling.result() == dict.fromkeys((first, second), TaskState.CANCELLED)


async def test_what_is_held_for_a_moment_is_parked_all_the_same(
    hive: Hive, database_url: str
) -> None:
    first, second = await two_tasks(hive)
    async with asyncio.TaskGroup() as group, held(database_url, first):
        parking = group.create_task(hive.park(first, second))
        await seen(hive, second, TaskState.SCHEDULED)
        assert not parking.done()
    assert sorted(parking.result()) == [first, second]


async def test_what_is_held_for_a_moment_goes_on_all_the_same(
    hive: Hive, database_url: str
) -> None:
    first, second = await two_tasks(hive)
    await hive.park(first, second)
    async with asyncio.TaskGroup() as group, held(database_url, first):
        unparking = group.create_task(hive.unpark(first, second))
        await seen(hive, second, TaskState.QUEUED)
        assert not unparking.done()
    assert unparking.result() == dict.fromkeys((first, second), TaskState.QUEUED)


async def test_what_is_not_parked_is_waited_for_by_nobody(hive: Hive, database_url: str) -> None:
    task_id = await hive.submit("trial", delay=timedelta(hours=1))
    async with held(database_url, task_id), asyncio.timeout(module.PATIENCE_SECONDS / 2):
        assert await hive.unpark(task_id) == {}


async def test_what_is_held_for_long_is_named_and_the_rest_is_done(
    hive: Hive, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    first, second = await two_tasks(hive)
    async with held(database_url, first):
        with pytest.raises(HeldTaskError, match=f"another transaction holds task {first} ") as told:
            await hive.cancel(first, second)
        with pytest.raises(HeldTaskError):
            await hive.park(first)
    await hive.park(first)
    async with held(database_url, first):
        with pytest.raises(HeldTaskError):
            await hive.unpark(first)
    assert told.value.task_ids == (first,)
    states = [(await hive.show(task_id)).state for task_id in (first, second)]
    assert states == [TaskState.SCHEDULED, TaskState.CANCELLED]


async def test_who_does_not_insist_gets_an_answer_at_once(hive: Hive, database_url: str) -> None:
    first, second = await two_tasks(hive)
    async with held(database_url, first):
        assert await hive.park(first, insists=False) == []
        assert await hive.cancel(first, second, insists=False) == {second: TaskState.CANCELLED}
    await hive.park(first)
    async with held(database_url, first):
        assert await hive.unpark(first, insists=False) == {}


@pytest.mark.parametrize("insists", [True, False])
async def test_what_is_no_id_is_refused(hive: Hive, insists: bool) -> None:
    for act in (hive.cancel, hive.park, hive.unpark):
        with pytest.raises(UsageError, match="twelve"):
            await act("twelve", insists=insists)  # type: ignore[arg-type]


async def test_what_has_ended_and_what_nobody_knows_is_waited_for_by_nobody(
    hive: Hive, database_url: str
) -> None:
    first, second = await two_tasks(hive)
    await hive.cancel(first)
    async with held(database_url, first):
        assert await hive.cancel(first, TaskId(second + 1)) == {}
        assert await hive.park(first, TaskId(second + 1)) == []
