"""Queens that submit ticks of one schedule at once: one tick becomes one task, one at a time.

A statement sees what was there when it began. Here one is held up between that and its first lock,
as it is on a machine that is busy, and another queen submits meanwhile.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any, Final, TypeAlias

import asyncpg
import pytest

from hive_store.statements import statement
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

GATE: Final = 7
HELD_UP: Final = f"(select pg_advisory_xact_lock_shared({GATE}) is not null)"
SCHEDULE: Final = """
insert into hive.schedule (name, kind, every, overlap, next_at, waiting)
values ('s', 'call', '1 hour', 'queue', date_trunc('hour', now()), $1)
returning id
"""
TICK: Final = """
insert into hive.tick (schedule_id, schedule_name, tick_at, said, outcome)
values ($1, 's', date_trunc('hour', now()) - $2 * interval '1 hour', 'then', 'waiting')
"""
STATE: Final = """
select (select count(*) from hive.task) as tasks, s.waiting,
  (select count(*) from hive.tick where outcome = 'waiting') as really_waiting
from hive.schedule s
"""


@pytest.fixture
async def connections(database_url: str) -> AsyncGenerator[list[Connection]]:
    """Who shuts the gate, a slow queen and a fast one."""
    async with AsyncExitStack() as stack:
        found: list[Connection] = []
        for _ in range(3):
            connection: Connection = await asyncpg.connect(database_url)
            stack.push_async_callback(connection.close)
            found.append(connection)
        yield found


def slow(name: str, before: str) -> str:
    """Return a statement that stops at the gate where it looks at the first schedule."""
    text = statement(name)
    assert before in text
    return text.replace(before, f"{before} {HELD_UP} and", 1)


async def submit_together(connections: list[Connection], text: str, *arguments: Any) -> list[Any]:
    """Begin a slow statement, submit what waits meanwhile, and return what the slow one says."""
    keeper, one, other = connections
    await keeper.execute("select pg_advisory_lock($1)", GATE)

    async def is_held_up() -> bool:
        return await keeper.fetchval(
            "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
        )

    async with asyncio.TaskGroup() as group:
        held_up = group.create_task(one.fetch(text, *arguments))
        await until(is_held_up)
        assert len(await other.fetch(statement("submit_waiting_ticks"), 10)) == 1
        await keeper.execute("select pg_advisory_unlock($1)", GATE)
    return held_up.result()


async def test_a_waiting_tick_is_submitted_once(connections: list[Connection]) -> None:
    schedule_id = await connections[0].fetchval(SCHEDULE, 2)
    for hours in (1, 2):
        await connections[0].execute(TICK, schedule_id, hours)
    text = slow("submit_waiting_ticks", "where s.waiting > 0 and")
    assert await submit_together(connections, text, 10) == []
    assert tuple(await connections[0].fetchrow(STATE) or ()) == (1, 1, 1)
    assert await connections[0].fetch(statement("submit_waiting_ticks"), 10) == []


async def test_no_tick_that_is_due_overtakes_what_was_just_submitted(
    connections: list[Connection],
) -> None:
    schedule_id = await connections[0].fetchval(SCHEDULE, 1)
    await connections[0].execute(TICK, schedule_id, 1)
    due_at = await connections[0].fetchval("select next_at from hive.schedule")
    none: list[Any] = [None]
    found = await submit_together(
        connections,
        slow("submit_ticks", "where id = p.id and"),
        *([schedule_id], [0], [due_at], [due_at.replace(year=2100)], [0], none, none, none),
        *([schedule_id], [due_at], ["now"]),
    )
    assert [(row["outcome"], row["count"]) for row in found] == [("advanced", 0)]
    assert tuple(await connections[0].fetchrow(STATE) or ()) == (1, 0, 0)
