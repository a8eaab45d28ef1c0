"""Who waits long becomes more urgent, so that nobody waits for ever."""

from datetime import timedelta
from typing import TypeAlias

import asyncpg
import pytest

from hive_contracts.ids import TaskId
from hive_contracts.limits import Limit, LimitScope
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import QueenStore, TaskStore
from hive_store.claiming import Watermarks
from hive_store.deeds import Actor
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LEVEL = timedelta(seconds=60)


async def submit(tasks: TaskStore, *priorities: int) -> list[TaskId]:
    return await tasks.submit([NewTask(kind="call", priority=each) for each in priorities])


async def raised(queen: QueenStore, *, batch_size: int = 100) -> int:
    return await queen.raise_waiting(level=LEVEL, batch_size=batch_size)


async def claim_one(queen: QueenStore) -> TaskId:
    [bundle] = await queen.claim(
        "default",
        limit=1,
        lease=LEVEL,
        bundle_size=1,
        worker_count=1,
        watermarks=Watermarks(),
    )
    assert bundle.last_id is not None
    return TaskId(bundle.last_id)


async def test_a_task_gains_a_level_for_each_while_that_it_waits(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    ids = await submit(tasks, 0, 2, 9)
    assert await raised(queen) == 0
    for seconds, expected in ((61, [0, 1, 8]), (0, [0, 1, 8]), (60, [0, 0, 7]), (240, [0, 0, 3])):
        await pass_time(database, seconds)
        await raised(queen)
        assert [(await tasks.read(task_id)).priority for task_id in ids] == expected
    first = [(await tasks.read(task_id)).submitted_priority for task_id in ids]
    assert first == [None, 2, 9]


async def test_an_endless_stream_of_urgent_tasks_keeps_nobody_out_for_longer_than_its_priority(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    [patient] = await submit(tasks, 5)
    rounds = 0
    while rounds < 20:
        rounds += 1
        await submit(tasks, 0, 0)
        await pass_time(database, 60)
        await raised(queen)
        if await claim_one(queen) == patient:
            break
    # Each round leaves one urgent task over: what came in before it was raised goes first.
    assert rounds == 5


async def test_a_batch_takes_those_who_waited_longest(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    first = await submit(tasks, 1, 1)
    await pass_time(database, 5)
    await submit(tasks, 1)
    await pass_time(database, 61)
    assert await raised(queen, batch_size=2) == 2
    assert [(await tasks.read(task_id)).priority for task_id in first] == [0, 0]
    assert await raised(queen, batch_size=2) == 1
    assert await raised(queen, batch_size=2) == 0


async def test_who_waits_for_a_limit_gains_too(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    controls = tasks.controls_of(Actor("ada", "here"))
    await controls.set_limit(Limit(scope=LimitScope.KIND, target="call", max_running=0))
    [task_id] = await submit(tasks, 3)
    await queen.limited.claim(
        "default", limit=1, lease=LEVEL, bundle_size=1, worker_count=1,
        watermarks=Watermarks(), look_ahead=10,
    )  # fmt: skip
    await pass_time(database, 61)
    assert await raised(queen) == 1
    record = await tasks.read(task_id)
    assert (record.state, record.priority) == (TaskState.BLOCKED, 2)


@pytest.mark.parametrize("state", ["scheduled", "dispatched"])
async def test_what_does_not_wait_in_line_gains_nothing(
    tasks: TaskStore, queen: QueenStore, database: Connection, state: str
) -> None:
    await submit(tasks, 3)
    if state == "dispatched":
        await claim_one(queen)
    else:
        await database.execute("update hive.task set state = 'scheduled'")
    await pass_time(database, 61)
    assert await raised(queen) == 0
