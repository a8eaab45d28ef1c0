"""Finished tasks leave on their terms, in bounded batches, and nothing else does."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.retaining import KeepRule, Retention
from hive_contracts.states import Move, TaskState
from hive_store import Line, TaskStore
from hive_store.pruning import PrunedBatch, Pruner
from hive_store.worker_store import Ending
from hive_testkit.ground import Ground, open_ground
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DAY = timedelta(days=1)
WEEK = Retention()

ADD_FINISHED = (
    "insert into hive.task (kind, queue, state, created_at, finished_at, outcome, claims)"
    " select $2, $3, $4::hive.task_state, now() - $5::interval, now() - $5::interval,"
    " 'succeeded', 1 from generate_series(1, $1) returning id"
)


@pytest.fixture
def pruner(open_line: Any) -> Pruner:
    return Pruner(open_line())


async def add_finished(
    database: Connection,
    count: int,
    *,
    ago: timedelta,
    kind: str = "trial",
    queue: str = "default",
    state: str = "succeeded",
) -> list[int]:
    rows = await database.fetch(ADD_FINISHED, count, kind, queue, state, ago)
    return [row["id"] for row in rows]


async def walk(pruner: Pruner, retention: Retention = WEEK, **options: Any) -> list[PrunedBatch]:
    """Every batch of a walk."""
    batches = [await pruner.prune(retention, **options)]
    while not batches[-1].is_over:
        batches.append(await pruner.prune(retention, after=batches[-1].last_id, **options))
    return batches


async def left(database: Connection) -> set[int]:
    return {row["id"] for row in await database.fetch("select id from hive.task")}


async def rows(database: Connection) -> int:
    return await database.fetchval(
        "select (select count(*) from hive.task) + (select count(*) from hive.attempt)"
        " + (select count(*) from hive.output)"
    )


async def test_what_finished_longer_ago_than_it_is_kept_leaves_with_all_that_belongs_to_it(
    database: Connection, pruner: Pruner
) -> None:
    old = await add_finished(database, 2, ago=8 * DAY)
    young = await add_finished(database, 2, ago=6 * DAY)
    for task_id in (*old, *young):
        await database.execute(
            "insert into hive.attempt (task_id, claim, attempt, outcome, lease_id)"
            " values ($1, 1, 1, 'failed', gen_random_uuid())",
            task_id,
        )
        await database.execute(
            "insert into hive.output (task_id, claim, stream, position, data)"
            " values ($1, 1, 'stdout', 0, 'said')",
            task_id,
        )
    [batch] = await walk(pruner)
    assert batch.counts == {("default", TaskState.SUCCEEDED): 2}
    assert batch.first_kept_id == young[0]
    assert DAY.total_seconds() <= batch.overdue_seconds < 2 * DAY.total_seconds()
    assert await left(database) == set(young)
    assert await rows(database) == 3 * len(young)


async def test_nothing_that_is_not_finished_leaves_however_old_it_is(
    database: Connection, database_url: str, pruner: Pruner
) -> None:
    async with open_ground(database_url) as ground:
        await ground.submit(3)
        leased = await ground.lease(1)
        await ground.worker.start([(leased[0].task.id, leased[0].task.lease_id)])
        await ground.bundle(1)
    await database.execute(
        "insert into hive.task (kind, state, run_at) values ('x', 'scheduled', now() + '1 day')"
    )
    await database.execute("update hive.task set created_at = now() - interval '1 year'")
    before = await left(database)
    await walk(pruner, Retention((KeepRule(keep=timedelta(0)),)))
    assert await left(database) == before


async def test_the_first_rule_that_fits_holds_and_without_one_a_task_stays(
    database: Connection, pruner: Pruner
) -> None:
    ago: dict[str, Any] = {"ago": 10 * DAY}
    failed_build = await add_finished(database, 1, queue="builds", state="failed", **ago)
    build = await add_finished(database, 1, queue="builds", **ago)
    call = await add_finished(database, 1, kind="call", **ago)
    failed = await add_finished(database, 1, state="failed", **ago)
    other = await add_finished(database, 1, **ago)
    rules = (
        KeepRule(queue="builds", state=TaskState.FAILED, keep=30 * DAY),
        KeepRule(queue="builds", keep=DAY),
        KeepRule(kind="call", keep=None),
        KeepRule(state=TaskState.FAILED, keep=9 * DAY),
    )
    await walk(pruner, Retention(rules))
    assert await left(database) == {*failed_build, *call, *other}
    await walk(pruner, Retention((*rules, KeepRule(keep=11 * DAY))))
    assert await left(database) == {*failed_build, *call, *other}
    await walk(pruner, Retention((*rules, KeepRule(keep=9 * DAY))))
    assert await left(database) == {*failed_build, *call}
    assert not {*build, *failed} & await left(database)


async def test_a_batch_deletes_no_more_rows_than_it_may(
    database: Connection, pruner: Pruner
) -> None:
    ids = await add_finished(database, 30, ago=8 * DAY)
    await database.execute(
        "insert into hive.output (task_id, claim, stream, position, data)"
        " select t, 1, 'stdout', p, 'said' from unnest($1::bigint[]) t, generate_series(0, 3) p",
        ids,
    )
    seen = [await rows(database)]
    batch = await pruner.prune(WEEK, row_limit=12)
    while not batch.is_over:
        seen.append(await rows(database))
        batch = await pruner.prune(WEEK, after=batch.last_id, row_limit=12)
    seen.append(await rows(database))
    steps = [before - after for before, after in pairwise(seen)]
    assert sum(steps) == 150
    assert max(steps) == 10, "two tasks of five rows each, and not a third"


async def test_a_task_with_more_rows_than_a_batch_may_delete_leaves_all_the_same(
    database: Connection, pruner: Pruner
) -> None:
    [big, _] = await add_finished(database, 2, ago=8 * DAY)
    await database.execute(
        "insert into hive.output (task_id, claim, stream, position, data)"
        " select $1, 1, 'stdout', p, 'said' from generate_series(0, 50) p",
        big,
    )
    batches = await walk(pruner, row_limit=10)
    assert [batch.counts.total() for batch in batches] == [1, 1]
    assert await rows(database) == 0


async def test_a_walk_looks_at_a_page_at_a_time_and_ends_where_all_is_young(
    database: Connection, pruner: Pruner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_store.pruning.LOOK_TASKS", 4)
    await add_finished(database, 6, ago=8 * DAY, state="failed")
    await add_finished(database, 3, ago=8 * DAY)
    young = await add_finished(database, 40, ago=DAY)
    kept = Retention((KeepRule(state=TaskState.FAILED, keep=30 * DAY), *WEEK.rules))
    batches = await walk(pruner, kept)
    assert [batch.counts.total() for batch in batches] == [0, 2, 1, 0]
    assert batches[-1].last_id == young[6]
    assert len(await left(database)) == 46


async def test_a_dry_batch_counts_and_deletes_nothing(database: Connection, pruner: Pruner) -> None:
    await add_finished(database, 3, ago=8 * DAY)
    [batch] = await walk(pruner, is_dry=True)
    assert batch.counts.total() == 3
    assert len(await left(database)) == 3


async def test_what_finishes_after_the_moment_that_counts_stays(
    database: Connection, pruner: Pruner
) -> None:
    now = await database.fetchval("select clock_timestamp()")
    before = await add_finished(database, 1, ago=timedelta(seconds=5))
    after = await add_finished(database, 1, ago=timedelta(seconds=-1))
    await walk(pruner, Retention((KeepRule(keep=timedelta(0)),)), as_of=now)
    assert before[0] not in await left(database)
    assert await left(database) == set(after)


async def test_a_task_that_another_transaction_holds_is_left_for_the_next_walk(
    database: Connection, pruner: Pruner
) -> None:
    held, *others = await add_finished(database, 3, ago=8 * DAY)
    async with database.transaction():
        await database.execute("select from hive.task where id = $1 for update", held)
        [batch] = await walk(pruner)
        assert batch.counts.total() == len(others)
        assert batch.first_kept_id == held
    [batch] = await walk(pruner)
    assert batch.counts.total() == 1


async def test_a_task_that_is_revived_meanwhile_stays(
    database: Connection, database_url: str, pruner: Pruner, tasks: TaskStore
) -> None:
    """The batch has seen it as finished, and meets it queued."""
    [task_id] = await add_finished(database, 1, ago=8 * DAY, state="failed")
    await database.execute(
        "create function hive.pause() returns trigger language plpgsql as"
        " $$ begin perform pg_advisory_xact_lock(1); return null; end $$;"
        "create trigger pause before delete on hive.task"
        " for each statement execute function hive.pause()"
    )
    await database.execute("select pg_advisory_lock(1)")
    async with asyncio.TaskGroup() as group:
        pruning = group.create_task(pruner.prune(WEEK))
        await until(lambda: _has_begun(database), within_seconds=60)
        assert await tasks.revive([TaskId(task_id)])
        await database.execute("select pg_advisory_unlock(1)")
    assert not pruning.result().counts
    assert await left(database) == {task_id}


async def _has_begun(database: Connection) -> bool:
    """Whether the batch has its snapshot, and has come to its delete."""
    return await database.fetchval(
        "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
    )


async def test_beside_a_drain_nothing_is_lost_and_nothing_unfinished_is_deleted(
    database: Connection, database_url: str, pruner: Pruner
) -> None:
    """Everything that has finished leaves at once, while others submit, claim, run and finish."""
    total, bundle = 2000, 100
    gone: Counter[TaskState] = Counter()
    is_over = asyncio.Event()

    async def drain(ground: Ground) -> None:
        for _ in range(total // bundle):
            await ground.submit(bundle)
            await ground.worker.finish(await take(ground, bundle))
        is_over.set()

    async def prune() -> None:
        at_once = Retention((KeepRule(keep=timedelta(0)),))
        while True:
            was_over = is_over.is_set()
            for batch in await walk(pruner, at_once, row_limit=37):
                for (_, state), count in batch.counts.items():
                    gone[state] += count
            if was_over:
                return

    async with open_ground(database_url) as ground:
        waiting = await ground.submit(5, queue="elsewhere")
        async with asyncio.TaskGroup() as group:
            group.create_task(drain(ground))
            group.create_task(prune())
    assert gone == {TaskState.SUCCEEDED: total}
    assert await left(database) == set(waiting)
    assert await database.fetchval("select count(*) from hive.lease") == 0
    assert (
        await database.fetchval(
            "select sum(coalesce(cardinality(task_ids), 1)) from hive.event"
            " where type = 'succeeded'"
        )
        == total
    )


async def take(ground: Ground, count: int) -> list[Ending]:
    """Lease what is queued; return how it ends."""
    lease = await ground.claim(count)
    await ground.worker.accept([lease.lease_id], lease=timedelta(seconds=15))
    return [
        Ending(
            task_id=each.task.id,
            lease_id=lease.lease_id,
            move=Move.SUCCEED,
            outcome=OutcomeName.SUCCEEDED,
            result="1",
        )
        for each in await ground.worker.read([lease.lease_id])
    ]


async def test_the_age_of_the_oldest_is_that_of_the_first_finished_task(
    database: Connection, open_line: Any
) -> None:
    line: Line = open_line()
    pruner = Pruner(line)
    assert await pruner.oldest_finished_age() is None
    await add_finished(database, 1, ago=2 * DAY)
    await add_finished(database, 1, ago=DAY)
    age = await pruner.oldest_finished_age()
    assert age is not None
    assert 2 * DAY.total_seconds() <= age < 3 * DAY.total_seconds()
