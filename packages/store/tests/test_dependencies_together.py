"""Tasks that come after others and have a key, a unique key or an expiry; and how they stay."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import ConfigurationError, RefusedScheduleError, RefusedTaskError
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.retaining import KeepRule, Retention
from hive_contracts.schedules import Every, NewSchedule
from hive_contracts.selecting import Selection
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import Line, TaskStore
from hive_store.deeds import Actor, Deed
from hive_store.exporting import export_tasks
from hive_store.granting import grant_all
from hive_store.importing import import_tasks
from hive_store.pruning import Pruner
from hive_store.statements import statement
from hive_testkit.ground import open_ground
from hive_testkit.plugin import fresh_database
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SOON = timedelta(seconds=30)
NOTHING_IS_KEPT = Retention((KeepRule(keep=timedelta(0)),))


@pytest.fixture
def other_url(postgres_server: str, postgres_template: str) -> Generator[str]:
    """Another database of the same server, migrated and empty."""
    with fresh_database(postgres_server, postgres_template) as url:
        yield url


async def edges(database: Connection) -> list[tuple[int, int]]:
    rows = await database.fetch("select child_id, parent_id from hive.dependency order by 1, 2")
    return [(row["child_id"], row["parent_id"]) for row in rows]


async def test_a_task_with_a_key_a_unique_key_and_an_expiry_waits_for_its_parents(
    database_url: str, database: Connection
) -> None:
    async with open_ground(database_url) as ground:
        [parent] = await ground.submit(1)
        new = NewTask(
            kind="trial", after=(parent,), key="k", unique_key="u",
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        [(child, is_new)] = await ground.tasks.hand_in([new])
        assert is_new
        assert await ground.tasks.hand_in([new]) == [(child, False)]
        assert await edges(database) == [(child, parent)]
        [behind] = await ground.submit(1, key="k")
        await grant_all(ground.queen, batch_size=10)
        assert await ground.end_next(5) == [parent]
        await grant_all(ground.queen, batch_size=10)
        assert await ground.end_next(5) == [child]
        await grant_all(ground.queen, batch_size=10)
        assert await ground.end_next(5) == [behind]


async def test_a_name_stands_for_the_earlier_task_of_its_unique_key(
    tasks: TaskStore, database: Connection
) -> None:
    unique = NewTask(kind="trial", unique_key="u", name="once")
    [earlier] = await tasks.submit([unique])
    again, child = await tasks.hand_in([unique, NewTask(kind="trial", after=("once",))])
    assert again == (earlier, False)
    assert await edges(database) == [(child.id, earlier)]


async def test_a_unique_task_that_somebody_adds_at_that_moment_still_comes_first(
    tasks: TaskStore,
    open_line: Callable[[], Line],
    somebody_waits: Callable[[], Awaitable[None]],
    database: Connection,
) -> None:
    """Its id is larger than the first that were taken for those that are to come after it."""
    unique = NewTask(kind="trial", unique_key="u", name="once")
    other = [unique, NewTask(kind="trial", after=("once",))]
    async with asyncio.TaskGroup() as group:
        async with open_line().lent() as own, own.transaction():
            await own.execute("insert into hive.unique_key (key, task_id) values ('u', 0)")
            submitted = group.create_task(tasks.hand_in(other))
            await somebody_waits()
            [first] = await TaskStore(open_line()).submit([NewTask(kind="trial")])
            await own.execute("update hive.unique_key set task_id = $1 where key = 'u'", first)
        again, child = await submitted
    assert again == (first, False)
    assert await edges(database) == [(child.id, first)]
    assert child.id > first


async def test_what_expires_while_it_waits_is_cancelled_and_so_is_what_comes_after_it(
    database_url: str, database: Connection
) -> None:
    async with open_ground(database_url) as ground:
        [parent] = await ground.submit(1)
        [child] = await ground.submit(
            1, after=(parent,), expires_at=datetime.now(UTC) + SOON, key="k"
        )
        [grandchild] = await ground.submit(1, after=(child,))
        await pass_time(database, 31)
        assert (await ground.queen.expire(batch_size=10)).count == 1
        await grant_all(ground.queen, batch_size=10)
        states = await ground.tasks.states([child, grandchild])
        assert set(states.values()) == {TaskState.CANCELLED}
        assert await ground.end_next() == [parent]


async def test_what_takes_the_place_of_others_of_its_key_may_come_after_others(
    database_url: str,
) -> None:
    async with open_ground(database_url) as ground:
        [parent] = await ground.submit(1)
        [gated] = await ground.submit(1, key="k", after=(parent,))
        with pytest.raises(RefusedTaskError, match=f"the key 'k' is busy: task {gated} has it"):
            await ground.submit(1, key="k", when_busy="reject", after=(parent,))
        [new] = await ground.submit(1, key="k", when_busy="replace", after=(parent,))
        await grant_all(ground.queen, batch_size=10)
        assert (await ground.tasks.states([gated]))[gated] is TaskState.CANCELLED
        assert await ground.end_next(5) == [parent]
        await grant_all(ground.queen, batch_size=10)
        assert await ground.end_next(5) == [new]


async def test_a_schedule_has_no_task_that_comes_after_others(database_url: str) -> None:
    async with open_ground(database_url) as ground:
        [parent] = await ground.submit(1)
        task = NewTask(kind="trial", after=(parent,))
        new = NewSchedule(name="each", when=Every(timedelta(hours=1)), task=task)
        with pytest.raises((RefusedScheduleError, RefusedTaskError), match="waits for no other"):
            await ground.schedules.put(new, replaces=False, actor=Actor("ada", "desk"))


async def test_what_an_unfinished_task_comes_after_is_kept_and_leaves_when_that_has_ended(
    database_url: str, database: Connection, open_line: Callable[[], Line]
) -> None:
    pruner = Pruner(open_line())
    async with open_ground(database_url) as ground:
        [parent] = await ground.submit(1)
        assert await ground.end_next() == [parent]
        [child] = await ground.submit(1, after=(parent,))
        await grant_all(ground.queen, batch_size=10)
        await pass_time(database, 31)
        batch = await pruner.prune(NOTHING_IS_KEPT)
        assert (batch.counts.total(), batch.first_kept_id) == (0, parent)
        [found] = await ground.worker.parents_of(child)
        assert found.result == {"ok": True}
        assert await ground.end_next() == [child]
        await pass_time(database, 31)
        assert (await pruner.prune(NOTHING_IS_KEPT)).counts.total() == 2
    assert await edges(database) == []


async def test_what_a_task_is_submitted_to_come_after_is_not_pruned_meanwhile(
    database_url: str, database: Connection, open_line: Callable[[], Line]
) -> None:
    pruner = Pruner(open_line())
    async with open_ground(database_url) as ground:
        [parent] = await ground.submit(1)
        await ground.end_next()
        await pass_time(database, 31)
        async with open_line().lent() as own, own.transaction():
            new = NewTask(kind="trial", after=(parent,))
            [child] = await ground.tasks.submit([new], connection=own)
            assert (await pruner.prune(NOTHING_IS_KEPT)).counts.total() == 0
        assert (await pruner.prune(NOTHING_IS_KEPT)).counts.total() == 0
        await grant_all(ground.queen, batch_size=10)
        assert await ground.end_next() == [child]


async def test_pruning_asks_again_once_nobody_can_come_after_what_it_takes(
    database_url: str,
    database: Connection,
    open_line: Callable[[], Line],
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    """It has its snapshot when the other submit begins, and its locks when that is committed."""
    async with open_ground(database_url) as ground, asyncio.TaskGroup() as group:
        first, parent = [(await ground.submit(1))[0] for _ in range(2)]
        await ground.end_next(2)
        await pass_time(database, 31)
        await database.execute(
            "create function hive.wait_here() returns boolean language plpgsql volatile as"
            " $$ begin perform pg_advisory_xact_lock_shared(7); return true; end $$"
        )
        async with open_line().lent() as own:
            await own.execute("select pg_advisory_lock(7)")
            pruned = group.create_task(_prune_waiting(open_line()))
            await somebody_waits()
            [child] = await ground.submit(1, after=(parent,))
            await own.execute("select pg_advisory_unlock(7)")
        assert await pruned == 1
        await grant_all(ground.queen, batch_size=10)
        assert await ground.end_next() == [child]
        assert await ground.tasks.find_unknown([first, parent]) == [first]


async def _prune_waiting(line: Line) -> int:
    locked = "where not $9::boolean and id = any(array(select id from taken))"
    sql = statement("prune_tasks")
    assert locked in sql
    sql = sql.replace(locked, f"{locked} and (select hive.wait_here())")
    async with line.lent() as own:
        rows = await own.fetch(sql, 0, 100, 100, [None], [None], [None], [0.0], None, False)
    return sum(row["count"] or 0 for row in rows)


async def exported(url: str, selection: Selection | None = None) -> list[bytes]:
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    await export_tasks(url, selection or Selection(), write=write, on_progress=lambda _: None)
    return b"".join(pieces).splitlines(keepends=True)


async def imported(url: str, lines: list[bytes]) -> dict[int, TaskId]:
    deed = Deed(actor=Actor("somebody", "here"), what="import")
    done = await import_tasks(url, lines, renumbers=True, deed=deed, on_progress=lambda _: None)
    return {old: TaskId(done.ids.find(old) or 0) for old in done.ids.all()}


async def test_what_waits_for_others_goes_on_waiting_where_it_is_imported(
    database_url: str, other_url: str
) -> None:
    async with open_ground(database_url) as ground:
        [running] = [leased.task.id for leased in await ground.lease(1)]
        [ended] = await ground.submit(1)
        child, doomed = [
            (await ground.submit(1, after=(parent,)))[0] for parent in (running, ended)
        ]
        await ground.tasks.cancel([ended])
        lines = await exported(database_url)
    async with open_ground(other_url) as ground:
        await ground.submit(3)
        ids = await imported(other_url, lines)
        await grant_all(ground.queen, batch_size=10)
        states = await ground.tasks.states([ids[child], ids[doomed]])
        assert states == {ids[child]: TaskState.BLOCKED, ids[doomed]: TaskState.CANCELLED}
        assert ids[running] in await ground.end_next(9)
        await grant_all(ground.queen, batch_size=10)
        assert await ground.end_next(9) == [ids[child]]


async def test_a_file_without_what_a_task_waits_for_is_refused(
    database_url: str, other_url: str
) -> None:
    async with open_ground(database_url) as ground:
        [parent] = await ground.submit(1)
        [child] = await ground.submit(1, after=(parent,))
        waiting = Selection(states=frozenset({TaskState.BLOCKED}))
        lines = await exported(database_url, waiting)
        words = f"task {child} waits for task {parent}, which is not in"
        with pytest.raises(ConfigurationError, match=words):
            await imported(other_url, lines)
        await ground.end_next()
        await grant_all(ground.queen, batch_size=10)
        queued = Selection(states=frozenset({TaskState.QUEUED}))
        ids = await imported(other_url, await exported(database_url, queued))
        assert set(ids) == {child}
    async with open_ground(other_url) as other:
        assert await other.end_next() == [ids[child]]


async def test_a_failed_parent_is_told_of_in_the_words_of_its_child_however_it_was_lost(
    database_url: str, database: Connection
) -> None:
    async with open_ground(database_url) as ground:
        [leased] = await ground.lease(1, max_losses=0)
        [child] = await ground.submit(1, after=(leased.task.id,))
        await ground.worker.start([(leased.task.id, leased.task.lease_id)])
        await pass_time(database, 61)
        [reaped] = await ground.queen.reap(batch_size=10)
        assert (reaped.state, reaped.outcome) == (TaskState.FAILED, OutcomeName.LOST)
        await grant_all(ground.queen, batch_size=10)
        record = await ground.tasks.read(child)
        assert record.error == f"task {leased.task.id}, which it comes after, failed"
