"""`pass_time` moves every moment of the schema, so that no test waits."""

import re
from datetime import timedelta
from typing import TypeAlias

import asyncpg

from hive_contracts.tasks import NewTask
from hive_store import TaskStore, open_line
from hive_store.rehearsal_store import RehearsalStore
from hive_store.statements import statement
from hive_store.submitting import HELD_UNTIL
from hive_testkit.timing import SCHEDULE_MOMENTS, pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def test_every_moment_of_the_schema_but_the_logs_is_moved(database: Connection) -> None:
    rows = await database.fetch(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'hive' and data_type = 'timestamp with time zone'"
    )
    found = {
        (row["table_name"], row["column_name"])
        for row in rows
        if not row["table_name"].startswith("event") and row["table_name"] != "migration"
    }
    parts = re.findall(r"update hive\.(\w+)(.*?)\n\)", statement("pass_time"), re.DOTALL)
    moved = {(table, column) for table, sets in parts for column in re.findall(r"(\w+) = ", sets)}
    moved |= {(table, column) for table, columns in SCHEDULE_MOMENTS.items() for column in columns}
    # What was spent is of the day on which it was, and a view has nothing to move.
    assert found - {("spent", "day"), ("budget_use", "until")} == moved


async def test_what_was_just_made_is_as_old_as_was_said(
    tasks: TaskStore, database: Connection
) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call")])
    before = await tasks.read(task_id)
    await pass_time(database, 90.5)
    after = await tasks.read(task_id)
    assert (before.created_at - after.created_at).total_seconds() == 90.5
    assert (before.run_at - after.run_at).total_seconds() == 90.5
    assert after.started_at is None


async def test_what_is_held_back_stays_until_it_is_released(
    tasks: TaskStore, database: Connection
) -> None:
    [held] = await tasks.submit([NewTask(kind="call", group="held", run_at=HELD_UNTIL)])
    await pass_time(database, 3600)
    assert (await tasks.read(held)).run_at == HELD_UNTIL
    assert await tasks.release_held("held", limit=1) == [held]


async def test_the_next_task_that_falls_due_is_found_in_its_queue(
    tasks: TaskStore, database_url: str
) -> None:
    async with open_line(database_url) as line:
        store = RehearsalStore(line)
        now = await store.now()
        hour, day = timedelta(hours=1), timedelta(days=1)
        await tasks.submit(
            [
                NewTask(kind="call", run_at=HELD_UNTIL),
                NewTask(kind="call", queue="late", run_at=now + day),
                NewTask(kind="call", run_at=now + hour),
                NewTask(kind="call"),
            ]
        )
        soon, later = await store.next_due(None), await store.next_due("late")
        assert soon is not None
        assert later is not None
        assert soon < hour < later < day
        assert await store.next_due("other") is None
        await store.pass_time(later)
        assert await store.next_due(None) is None
