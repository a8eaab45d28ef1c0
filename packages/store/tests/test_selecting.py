"""Selecting: exactly the tasks that fit, newest first, and none that came meanwhile."""

import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import RefusedTaskError
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import TaskStore, open_line
from hive_store.selector import PAGE, Selector
from hive_store.statements import statement

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def selector(database_url: str, database: Connection) -> AsyncGenerator[Selector]:
    async with open_line(database_url) as line:
        yield Selector(line)


async def found(selector: Selector, selection: Selection) -> list[TaskId]:
    return [summary.id for summary in await selector.page(selection, limit=100)]


async def test_a_task_is_found_only_if_everything_that_is_given_fits(
    tasks: TaskStore, selector: Selector
) -> None:
    one, two, three = await tasks.submit(
        [
            NewTask(kind="call", queue="a", group="g"),
            NewTask(kind="command", queue="a", group="g"),
            NewTask(kind="call", queue="b"),
        ]
    )
    await tasks.cancel([three])
    assert await found(selector, Selection()) == [three, two, one]
    assert await found(selector, Selection(group="g")) == [two, one]
    assert await found(selector, Selection(kind="call", queue="a")) == [one]
    assert await found(selector, Selection(states=frozenset({TaskState.CANCELLED}))) == [three]
    assert await found(selector, Selection(group="g", queue="b")) == []


async def test_a_task_is_found_by_when_it_was_submitted(
    tasks: TaskStore, selector: Selector
) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call")])
    at = (await tasks.read(task_id)).created_at
    later = at + timedelta(microseconds=1)
    assert await found(selector, Selection(created_from=at, created_before=later)) == [task_id]
    assert await found(selector, Selection(created_before=at)) == []
    assert await found(selector, Selection(created_from=later)) == []


async def test_pages_follow_one_another_without_overlap(
    tasks: TaskStore, selector: Selector
) -> None:
    ids = await tasks.submit([NewTask(kind="call", group="g")] * (PAGE + 5))
    pages: list[list[TaskId]] = []
    async for page in selector.pages_of_ids(Selection(group="g")):
        pages.append(page)
        await tasks.submit([NewTask(kind="call", group="g")])
    assert [i for page in pages for i in page] == ids[::-1]
    first = await selector.page(Selection(), limit=2, before=ids[-1])
    assert [summary.id for summary in first] == [ids[-2], ids[-3]]


async def test_a_group_is_counted_by_state(tasks: TaskStore, selector: Selector) -> None:
    ids = await tasks.submit([NewTask(kind="call", group="g")] * 3)
    await tasks.submit([NewTask(kind="call", group="other")])
    await tasks.cancel(ids[:1])
    assert await selector.count_group("g") == {TaskState.QUEUED: 2, TaskState.CANCELLED: 1}
    assert await selector.count_group("nobody") == {}


async def test_the_group_of_a_task_is_kept_and_its_name_is_checked(tasks: TaskStore) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call", group="nightly-7")])
    assert (await tasks.read(task_id)).group == "nightly-7"
    with pytest.raises(RefusedTaskError, match=r"a group is.*characters.*not 'two words'"):
        await tasks.submit([NewTask(kind="call", group="two words")])


async def test_a_group_is_found_through_its_index_beside_many_other_tasks(
    database: Connection,
) -> None:
    await database.execute(
        "insert into hive.task (kind) select 'x' from generate_series(1, 20000);"
        "insert into hive.task (kind, group_name) values ('x', 'g'); analyze hive.task"
    )
    plan = await database.fetch("explain " + statement("count_group").replace("$1::text", "'g'"))
    assert any("task_group" in row[0] for row in plan)


async def test_members_of_a_group_and_states_are_told_of_the_tasks_asked_about(
    tasks: TaskStore, selector: Selector
) -> None:
    one, two = await tasks.submit([NewTask(kind="call", group="g")] * 2)
    [other] = await tasks.submit([NewTask(kind="call", group="other")])
    await tasks.cancel([two])
    asked = [one, other, TaskId(999)]
    assert await selector.members(asked, group="g") == {one}
    assert await selector.members(asked, queue="default", kind="call") == {one, other}
    assert await selector.members(asked, queue="elsewhere") == set()
    assert await tasks.states([one, two, TaskId(999)]) == {
        one: TaskState.QUEUED,
        two: TaskState.CANCELLED,
    }


async def test_of_200_000_tasks_a_page_reads_no_more_than_it_shows(database: Connection) -> None:
    await database.execute(
        "insert into hive.task (kind, group_name)"
        " select 'x', case when g % 100 = 0 then 'g' end from generate_series(1, 200000) g;"
        f"analyze hive.task; prepare page as {statement('select_tasks')}"
    )
    # Often enough for Postgres to choose a plan for any arguments, if it thinks that no worse.
    for _ in range(7):
        await plan(database, "null, null, null, null, null, null, null, 21, null")
    everything = await plan(database, "null, null, null, null, null, null, null, 21, null")
    group = await plan(database, "null, null, null, 'g', null, null, 100000, 100, null")
    assert [(scan["Index Name"], scan["Actual Rows"]) for scan in everything] == [("task_pkey", 21)]
    assert [(scan["Index Name"], scan["Actual Rows"]) for scan in group] == [("task_group", 100)]
    assert not any(scan.get("Rows Removed by Filter") for scan in (*everything, *group))


async def plan(database: Connection, arguments: str) -> list[dict[str, Any]]:
    """How the prepared page reads the table of tasks."""
    told = await database.fetchval(
        f"explain (analyze, timing off, format json) execute page({arguments})"
    )
    found, rest = list[dict[str, Any]](), [json.loads(told)[0]["Plan"]]
    while rest:
        node = rest.pop()
        rest += node.get("Plans", [])
        found += [node] if "Relation Name" in node else []
    return found
