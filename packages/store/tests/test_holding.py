"""Tasks that are held back: nothing lets them go but a release, in order and as many as asked."""

from collections.abc import Callable
from typing import TypeAlias

import asyncpg

from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import Line, QueenStore, TaskStore
from hive_store.statements import statement
from hive_store.submitting import HELD_UNTIL

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def hold(tasks: TaskStore, count: int, *, group: str = "g") -> list[TaskId]:
    return await tasks.submit([NewTask(kind="call", group=group, run_at=HELD_UNTIL)] * count)


async def test_a_release_queues_the_earliest_that_are_held_and_nothing_else(
    tasks: TaskStore, queen: QueenStore
) -> None:
    [plain] = await tasks.submit([NewTask(kind="call", group="g", run_at=None)])
    one, two, three = await hold(tasks, 3)
    await hold(tasks, 2, group="other")
    assert (await queen.sweep_due(batch_size=10)).count == 0
    assert await tasks.release_held("g", limit=2) == [one, two]
    assert await tasks.release_held("g", limit=2, after=two) == [three]
    assert await tasks.release_held("g", limit=2, after=three) == []
    assert await tasks.release_held("g", limit=2) == []
    states = await tasks.states([plain, one, two, three])
    assert set(states.values()) == {TaskState.QUEUED}


async def test_a_held_task_can_be_cancelled_and_is_not_let_go_then(tasks: TaskStore) -> None:
    one, two = await hold(tasks, 2)
    await tasks.cancel([one])
    assert await tasks.release_held("g", limit=2) == [two]


async def test_a_held_task_that_somebody_has_locked_is_stepped_over(
    tasks: TaskStore, open_line: Callable[[], Line], database: Connection
) -> None:
    one, two = await hold(tasks, 2)
    async with database.transaction():
        await database.execute("select 1 from hive.task where id = $1 for update", one)
        assert await TaskStore(open_line()).release_held("g", limit=2) == [two]
    assert await tasks.release_held("g", limit=2) == [one]


async def test_queens_are_woken_by_a_release(tasks: TaskStore, database: Connection) -> None:
    await hold(tasks, 1)
    heard: list[str] = []

    def hear(_: object, __: int, channel: str, ___: object) -> None:
        heard.append(channel)

    await database.add_listener("hive_queued", hear)
    await tasks.release_held("g", limit=1)
    await database.fetch("select 1")
    assert heard == ["hive_queued"]


async def test_a_release_reads_its_group_alone(database: Connection) -> None:
    moment = f"'{HELD_UNTIL.isoformat()}'"
    await database.execute(
        "insert into hive.task (kind, group_name, state, run_at)"
        f" select 'x', 'group-' || g % 100, 'scheduled', {moment} from generate_series(1, 20000) g;"
        "analyze hive.task"
    )
    text = statement("release_held_tasks").replace("$2::timestamptz", f"{moment}::timestamptz")
    for parameter, value in (("$1::text", "'group-7'"), ("$3::bigint", "0"), ("$4::integer", "8")):
        text = text.replace(parameter, value)
    plan = await database.fetch(f"explain {text}")
    assert any("task_group" in row[0] for row in plan)
