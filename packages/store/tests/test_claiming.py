"""Claims: in order, within the limit, never twice; and what watermarks hide, and for how long."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import QueenStore, TaskStore, WorkerStore
from hive_store.claiming import ClaimedBundle, Watermarks
from hive_store.statements import statement
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LEASE: Final = timedelta(seconds=60)
NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)


def bundle_ending_at(priority: int, seconds: int, last_id: int) -> ClaimedBundle:
    return ClaimedBundle(
        lease_id=LeaseId(uuid4()),
        priority=priority,
        size=1,
        kinds=("call",),
        last_run_at=NOON + timedelta(seconds=seconds),
        last_id=last_id,
    )


places = st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 50))


@given(claimed=st.lists(places, max_size=8), place=places)
def test_the_intervals_hold_every_place_behind_the_mark_of_its_priority_once(
    claimed: list[tuple[int, int, int]], place: tuple[int, int, int]
) -> None:
    marks = Watermarks()
    marks.advance(bundle_ending_at(*one) for one in claimed)
    found = marks.intervals()
    at = (place[0], NOON + timedelta(seconds=place[1]), place[2])
    containing = [
        begin
        for begin, end in zip(
            zip(found.after_priorities, found.after_run_ats, found.after_ids, strict=True),
            found.last_priorities,
            strict=True,
        )
        if at > begin and at[0] <= end
    ]
    latest = max((one[1:] for one in claimed if one[0] == place[0]), default=None)
    assert len(containing) == (latest is None or place[1:] > latest)


@given(claimed=st.lists(places, max_size=8))
def test_the_intervals_are_in_claim_order(claimed: list[tuple[int, int, int]]) -> None:
    marks = Watermarks()
    marks.advance(bundle_ending_at(*one) for one in claimed)
    found = marks.intervals()
    assert list(found.after_priorities) == sorted(found.after_priorities)
    assert list(found.last_priorities) == sorted(found.last_priorities)
    assert found.last_priorities[-1] == 32767


def test_a_watermark_never_goes_back() -> None:
    marks = Watermarks()
    marks.advance([bundle_ending_at(1, 5, 9), bundle_ending_at(1, 3, 20)])
    found = marks.intervals()
    assert (found.after_run_ats[-1], found.after_ids[-1]) == (NOON + timedelta(seconds=5), 9)


def test_forgotten_watermarks_hide_nothing() -> None:
    marks = Watermarks()
    marks.advance([bundle_ending_at(3, 5, 9)])
    marks.forget()
    assert marks.intervals() == Watermarks().intervals()


async def claim(
    queen: QueenStore,
    limit: int,
    *,
    watermarks: Watermarks | None = None,
    queue: str = "default",
    bundle_size: int = 1000,
    workers: int = 1,
) -> list[ClaimedBundle]:
    return await queen.claim(
        queue,
        limit=limit,
        lease=LEASE,
        bundle_size=bundle_size,
        worker_count=workers,
        watermarks=watermarks or Watermarks(),
    )


async def members(database: Connection, lease_id: UUID) -> list[int]:
    return await database.fetchval("select task_ids from hive.lease where id = $1", lease_id)


async def test_a_claim_takes_the_most_urgent_first_and_the_longest_due_of_those(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    earlier = datetime.now(UTC) - timedelta(hours=1)
    ids = await tasks.submit(
        [
            NewTask(kind="call", priority=5),
            NewTask(kind="call", priority=1),
            NewTask(kind="call", priority=1, run_at=earlier),
            NewTask(kind="call", priority=0),
            NewTask(kind="call", priority=1),
        ]
    )
    order: list[int] = []
    for _ in ids:
        [bundle] = await claim(queen, 1)
        order += await members(database, bundle.lease_id)
    assert order == [ids[3], ids[2], ids[1], ids[4], ids[0]]


async def test_a_claim_takes_from_its_own_queue_alone(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    [_, other] = await tasks.submit([NewTask(kind="call"), NewTask(kind="call", queue="frontend")])
    [bundle] = await claim(queen, 10, queue="frontend")
    assert await members(database, bundle.lease_id) == [other]


async def test_bundles_are_spread_over_workers_and_no_larger_than_asked(
    tasks: TaskStore, queen: QueenStore
) -> None:
    await tasks.submit([NewTask(kind="call") for _ in range(24)])
    spread = await claim(queen, 10, workers=4)
    assert sorted(bundle.size for bundle in spread) == [1, 3, 3, 3]
    capped = await claim(queen, 10, bundle_size=4)
    assert sorted(bundle.size for bundle in capped) == [2, 4, 4]


async def test_a_lease_of_several_priorities_comes_back_in_parts(
    tasks: TaskStore, queen: QueenStore
) -> None:
    await tasks.submit([NewTask(kind=k, priority=p) for k, p in [("a", 0), ("b", 0), ("a", 7)]])
    parts = await claim(queen, 10)
    assert len({part.lease_id for part in parts}) == 1
    assert {(part.priority, part.size, tuple(sorted(part.kinds))) for part in parts} == {
        (0, 2, ("a", "b")),
        (7, 1, ("a",)),
    }


async def test_a_claim_returns_no_payload(tasks: TaskStore, database: Connection) -> None:
    """A queen that froze while she read payloads would hold the rows under no lease."""
    await tasks.submit([NewTask(kind="call", payload={"large": "x" * 60_000})])
    prepared = await database.prepare(statement("claim_tasks"))
    beginning = ([-1], [datetime(1970, 1, 1, tzinfo=UTC)], [0], [32767])
    [row] = await prepared.fetch(uuid4(), "default", 5, 60.0, 5, 1, *beginning, "")
    assert {column.name for column in prepared.get_attributes()} == {
        *("lease_id", "priority", "size", "kinds", "last_run_at", "last_id")
    }
    assert len(str(dict(row))) < 500


async def test_lease_ids_are_random(tasks: TaskStore, queen: QueenStore) -> None:
    await tasks.submit([NewTask(kind="call") for _ in range(50)])
    ids = {bundle.lease_id for bundle in await claim(queen, 50, bundle_size=1)}
    assert len(ids) == 50
    assert {lease_id.version for lease_id in ids} == {4}
    assert len({lease_id.int >> 96 for lease_id in ids}) == 50


async def test_claims_at_once_never_give_a_task_twice_and_keep_to_their_limit(
    tasks: TaskStore, open_queen: Callable[[], QueenStore], database: Connection
) -> None:
    count, limit = 600, 7
    ids = await tasks.submit([NewTask(kind="call", priority=i % 3) for i in range(count)])
    sizes: list[int] = []

    async def drain(queen: QueenStore) -> None:
        while bundles := await claim(queen, limit, bundle_size=3):
            sizes.append(sum(bundle.size for bundle in bundles))

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(drain(open_queen()))
    assert max(sizes) <= limit
    leased = Counter(
        i for row in await database.fetch("select task_ids from hive.lease") for i in row[0]
    )
    assert leased == Counter(ids)
    assert await tasks.count_orphans() == 0


async def test_a_claim_steps_over_what_another_queen_is_taking(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    ids = await tasks.submit([NewTask(kind="call") for _ in range(4)])
    async with database.transaction():
        await database.execute(f"select from hive.task where id in ({ids[0]}, {ids[2]}) for update")
        async with asyncio.timeout(5):
            [bundle] = await claim(queen, 2)
        taken = await members(database, bundle.lease_id)
    assert taken == [ids[1], ids[3]]


async def test_a_watermark_passes_over_what_arrives_before_it_until_it_is_forgotten(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    marks = Watermarks()
    await tasks.submit([NewTask(kind="call", priority=5) for _ in range(4)])
    await claim(queen, 2, watermarks=marks)
    earlier = datetime.now(UTC) - timedelta(hours=1)
    [late] = await tasks.submit([NewTask(kind="call", priority=5, run_at=earlier)])
    [rest] = await claim(queen, 10, watermarks=marks)
    assert late not in await members(database, rest.lease_id)
    marks.forget()
    [found] = await claim(queen, 10, watermarks=marks)
    assert await members(database, found.lease_id) == [late]


async def test_a_watermark_hides_no_other_priority(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    """With one mark for all, 10 were claimed and 4,991 hidden."""
    marks = Watermarks()
    await tasks.submit([NewTask(kind="call", priority=5) for _ in range(3)])
    await claim(queen, 2, watermarks=marks)
    mixed = await tasks.submit([NewTask(kind="call", priority=p) for p in (9, 0, 5, 3)])
    taken: list[int] = []
    while bundles := await claim(queen, 1, watermarks=marks):
        taken += await members(database, bundles[0].lease_id)
    assert taken == [mixed[1], mixed[3], 3, mixed[2], mixed[0]]


async def test_an_urgent_task_that_comes_back_is_found_once_the_marks_are_forgotten(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    marks = Watermarks()
    [first, *_] = await tasks.submit([NewTask(kind="call") for _ in range(5)])
    [bundle] = await claim(queen, 1, watermarks=marks)
    assert await queen.release([bundle.lease_id], reason="nobody took it") == 1
    [second] = await claim(queen, 1, watermarks=marks)
    assert await members(database, second.lease_id) != [first]
    marks.forget()
    [third] = await claim(queen, 1, watermarks=marks)
    assert await members(database, third.lease_id) == [first]


async def test_draining_by_watermarks_reset_on_short_claims_leaves_nothing_behind(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore
) -> None:
    ids = await tasks.submit([NewTask(kind="call", priority=i % 4) for i in range(60)])
    marks, claimed, released = Watermarks(), 0, False
    while True:
        bundles = await claim(queen, 7, watermarks=marks, bundle_size=2)
        claimed += sum(bundle.size for bundle in bundles)
        if bundles and not released:
            claimed -= await queen.release([bundles[0].lease_id], reason="not sent")
            released = True
        if not bundles and marks.intervals() == Watermarks().intervals():
            break
        if sum(bundle.size for bundle in bundles) < 7:
            marks.forget()
    assert claimed == len(ids)


async def test_tasks_of_one_lease_are_read_in_claim_order(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore
) -> None:
    ids = await tasks.submit([NewTask(kind="call", payload=p, priority=p) for p in (2, 0, 1)])
    [bundle, *_] = await claim(queen, 10)
    await worker.accept([bundle.lease_id], lease=LEASE)
    read = [leased.task for leased in await worker.read([bundle.lease_id])]
    assert [task.id for task in read] == [ids[1], ids[2], ids[0]]
    assert [task.payload for task in read] == ["0", "1", "2"]
    assert all(0 <= task.enqueued_seconds < 10 for task in read)


async def test_how_long_a_task_was_due_is_told_by_the_database(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, database: Connection
) -> None:
    await tasks.submit([NewTask(kind="call")])
    await pass_time(database, 100)
    [bundle] = await claim(queen, 1)
    await worker.accept([bundle.lease_id], lease=LEASE)
    [leased] = await worker.read([bundle.lease_id])
    assert 100 <= leased.task.enqueued_seconds < 110


async def test_a_lease_granted_late_in_a_slow_transaction_lasts_as_long_as_any(
    tasks: TaskStore, database: Connection
) -> None:
    """By `now()`, a claim in a transaction two seconds old granted 13 seconds of 15."""
    await tasks.submit([NewTask(kind="call")])
    beginning: tuple[Any, ...] = ([-1], [datetime(1970, 1, 1, tzinfo=UTC)], [0], [32767])
    async with database.transaction():
        await database.execute("select pg_sleep(0.3)")
        await database.fetch(
            statement("claim_tasks"), uuid4(), "default", 5, 60.0, 5, 1, *beginning, ""
        )
        left = await database.fetchval(
            "select extract(epoch from expires_at - now())::double precision from hive.lease"
        )
    assert left >= 60.3


async def test_every_due_task_is_queued_by_the_sweep_and_the_next_one_announced(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    now = datetime.now(UTC)
    ids = await tasks.submit(
        [NewTask(kind="call", run_at=now + timedelta(seconds=s)) for s in (30, 10, 300)]
    )
    assert [(await tasks.read(TaskId(i))).state for i in ids] == [TaskState.SCHEDULED] * 3
    first = await queen.sweep_due(batch_size=10)
    assert first.count == 0
    assert 5 < (first.next_seconds or 0) <= 10
    await pass_time(database, 60)
    assert (await queen.sweep_due(batch_size=1)).count == 1
    second = await queen.sweep_due(batch_size=10)
    assert second.count == 1
    assert 235 < (second.next_seconds or 0) <= 240
    await pass_time(database, 300)
    last = await queen.sweep_due(batch_size=10)
    assert (last.count, last.next_seconds) == (1, None)


async def test_a_task_for_the_end_of_time_does_not_stop_the_sweep(
    queen: QueenStore, database: Connection
) -> None:
    await database.execute(
        "insert into hive.task (kind, state, run_at) values ('call', 'scheduled', 'infinity')"
    )
    swept = await queen.sweep_due(batch_size=10)
    assert (swept.count, swept.next_seconds) == (0, None)
