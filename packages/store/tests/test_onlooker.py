from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import UnknownTaskError
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import TaskStore, open_line
from hive_store.onlooker import Onlooker

Connection: TypeAlias = "asyncpg.Connection[Any]"


async def test_only_queued_tasks_of_the_same_queue_that_are_more_urgent_or_older_go_before(
    database_url: str,
) -> None:
    async with open_line(database_url) as line:
        tasks, onlooker = TaskStore(line), Onlooker(line)
        urgent, first, second, _ = await tasks.submit(
            [
                NewTask(kind="call", priority=1),
                NewTask(kind="call", priority=2),
                NewTask(kind="call", priority=2),
                NewTask(kind="call", queue="other"),
            ]
        )
        places = [(await onlooker.look(task)).ahead for task in (urgent, first, second)]
        assert places == [0, 1, 2]
        await tasks.cancel([urgent])
        assert (await onlooker.look(second)).ahead == 1
        ended = await onlooker.look(urgent)
    assert (ended.state, ended.ahead, ended.claim) == (TaskState.CANCELLED, None, 0)


async def test_the_age_of_the_last_word_is_that_of_the_last_claim(
    database_url: str, database: Connection
) -> None:
    async with open_line(database_url) as line:
        tasks, onlooker = TaskStore(line), Onlooker(line)
        [task] = await tasks.submit([NewTask(kind="command", payload={"argv": ["true"]})])
        await database.execute(
            "insert into hive.output (task_id, claim, stream, position, data, at) values"
            " ($1, 1, 'stdout', 0, 'x', now() - interval '90 s'),"
            " ($1, 2, 'stdout', 0, 'x', now() - interval '30 s')",
            task,
        )
        ages: list[float | None] = []
        for claim in (1, 2, 3):
            await database.execute("update hive.task set claims = $2 where id = $1", task, claim)
            ages.append((await onlooker.look(task)).unheard_seconds)
    assert ages[0] == pytest.approx(90, abs=10)
    assert ages[1] == pytest.approx(30, abs=10)
    assert ages[2] is None


async def test_a_queen_counts_while_she_was_seen_of_late(
    database_url: str, database: Connection
) -> None:
    await database.execute(
        "insert into hive.queen (id, host, pid, version, seen_at) values"
        " (gen_random_uuid(), 'h', 1, '0', now()),"
        " (gen_random_uuid(), 'h', 2, '0', now() - interval '1 hour')"
    )
    async with open_line(database_url) as line:
        [task] = await TaskStore(line).submit([NewTask(kind="call")])
        assert (await Onlooker(line).look(task)).queens == 1


async def test_the_longest_wait_of_a_queue_is_that_of_its_oldest_due_task(
    database_url: str, database: Connection
) -> None:
    async with open_line(database_url) as line:
        old, _, other = await TaskStore(line).submit(
            [NewTask(kind="call"), NewTask(kind="call"), NewTask(kind="call", queue="other")]
        )
        await database.execute(
            "update hive.task set run_at = now() - interval '1 hour' where id = $1", old
        )
        await TaskStore(line).cancel([other])
        waits = await Onlooker(line).longest_waits()
    assert list(waits) == ["default"]
    assert waits["default"] == pytest.approx(3600, abs=60)


async def test_there_is_nothing_to_see_of_an_unknown_task(database_url: str) -> None:
    async with open_line(database_url) as line:
        with pytest.raises(UnknownTaskError):
            await Onlooker(line).look(TaskId(999))
