"""A file that others have open is waited for, and one that cannot be opened leaves nothing."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from hive_testkit.waiting import until
from hive_verse.database import Database

AT_ONCE_SECONDS = 0.5


async def test_the_first_opening_waits_for_whoever_writes_the_file(tmp_path: Path):
    path = tmp_path / "cloud.db"
    database = Database(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("create table theirs (number)")
        other.execute("begin immediate")
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(database.__aenter__())
            await asyncio.wait([opening], timeout=AT_ONCE_SECONDS)
            assert not opening.done()
            other.execute("commit")
        assert await mode_of(database) == "wal"
    await database.__aexit__()


async def test_many_open_a_new_file_at_once(tmp_path: Path):
    databases = [Database(tmp_path / "cloud.db") for _ in range(20)]
    try:
        async with asyncio.TaskGroup() as group:
            for database in databases:
                group.create_task(database.__aenter__())
        assert await mode_of(databases[0]) == "wal"
    finally:
        for database in databases:
            await database.__aexit__()


async def test_a_file_that_is_none_of_sqlite_leaves_nothing_open(tmp_path: Path):
    path = tmp_path / "cloud.db"
    path.write_text("this is no database, and long enough to be told from an empty one" * 20)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        async with Database(path):
            pass
    # Its thread says that the file is closed before it ends itself.
    await until(lambda: not connections())


def connections() -> list[str]:
    return [each.name for each in threading.enumerate() if "connection" in each.name]


async def mode_of(database: Database) -> str:
    async with database.reading():
        ((mode,),) = await database.rows("pragma journal_mode")
    return mode
