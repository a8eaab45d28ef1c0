"""The test kit's `pass_time` moves every moment of the schema, so that no test waits."""

from typing import TypeAlias

import asyncpg

from hive_contracts.tasks import NewTask
from hive_store import TaskStore
from hive_testkit.timing import MOMENTS, pass_time

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
    assert found == {(table, column) for table, columns in MOMENTS.items() for column in columns}


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
