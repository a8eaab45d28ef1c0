"""Leases: who gets them, who keeps them, and what their lapse costs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_contracts.wire import decode_json
from hive_store import HeartbeatStore, Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.statements import statement
from hive_store.worker_store import Ending
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
LeaseOut: TypeAlias = Callable[[int], Awaitable[tuple[LeaseId, list[TaskId]]]]

LIVING = timedelta(seconds=15)
MINUTE: Final = timedelta(minutes=1)


def succeeded(task_id: TaskId, lease_id: LeaseId) -> Ending:
    return Ending(
        task_id=task_id, lease_id=lease_id, move=Move.SUCCEED, outcome=OutcomeName.SUCCEEDED
    )


async def claim_one(queen: QueenStore) -> LeaseId:
    [bundle] = await queen.claim(
        "default", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    return bundle.lease_id


async def test_a_lease_goes_to_the_first_who_accepts_it(
    lease_out: LeaseOut, open_worker: Callable[[], WorkerStore]
) -> None:
    lease_id, _ = await lease_out(1)
    assert await open_worker().accept([lease_id], lease=MINUTE) == []


async def test_an_accept_may_be_repeated_by_the_same_worker(
    lease_out: LeaseOut, worker: WorkerStore
) -> None:
    lease_id, _ = await lease_out(3)
    [again] = await worker.accept([lease_id], lease=MINUTE)
    assert (again.lease_id, again.open) == (lease_id, 3)


async def test_of_many_who_accept_at_once_one_is_granted(
    tasks: TaskStore, queen: QueenStore, open_worker: Callable[[], WorkerStore]
) -> None:
    await tasks.submit([NewTask(kind="call")])
    lease_id = await claim_one(queen)
    workers = [open_worker() for _ in range(6)]
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(w.accept([lease_id], lease=MINUTE)) for w in workers]
    assert sum(len(answer.result()) for answer in asked) == 1


async def test_a_lapsed_lease_can_be_neither_accepted_nor_started_but_finished_until_it_is_reaped(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
) -> None:
    lease_id, [one, other] = await lease_out(2)
    await pass_time(database, 61)
    assert await worker.accept([lease_id], lease=MINUTE) == []
    assert (await worker.start([(one, lease_id)])).begun == set()
    # The row is still there, so the task is nobody else's.
    assert len(await worker.finish([succeeded(one, lease_id)])) == 1
    [reaped] = await queen.reap(batch_size=10)
    assert (reaped.id, reaped.state, reaped.outcome) == (
        other,
        TaskState.QUEUED,
        OutcomeName.RELEASED,
    )
    assert await worker.finish([succeeded(other, lease_id)]) == []
    assert (await tasks.read(other)).state is TaskState.QUEUED


async def test_a_late_finish_of_a_reaped_attempt_is_stale_not_a_repeat(
    queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut, database: Connection
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.start([(task_id, lease_id)])
    await pass_time(database, 61)
    [reaped] = await queen.reap(batch_size=10)
    assert reaped.outcome is OutcomeName.LOST
    assert await worker.finish([succeeded(task_id, lease_id)]) == []


async def test_a_start_may_be_repeated(worker: WorkerStore, lease_out: LeaseOut) -> None:
    lease_id, ids = await lease_out(2)
    pairs = [(i, lease_id) for i in ids]
    assert (await worker.start(pairs[:1])).begun == {ids[0]}
    assert (await worker.start(pairs)).begun == set(ids)


async def test_a_start_under_a_lease_that_nobody_accepted_is_refused(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore
) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call", max_losses=0)])
    lease_id = await claim_one(queen)
    assert (await worker.start([(task_id, lease_id)])).begun == set()
    assert (await tasks.read(task_id)).state is TaskState.DISPATCHED


async def test_a_start_under_another_living_lease_is_refused(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    old, [one, other] = await lease_out(2)
    release = Ending(task_id=one, lease_id=old, move=Move.RELEASE, outcome=OutcomeName.RELEASED)
    await worker.finish([release])
    new = await claim_one(queen)
    await worker.accept([new], lease=MINUTE)
    assert (await worker.start([(one, old)])).begun == set()
    assert (await tasks.read(one)).state is TaskState.DISPATCHED
    assert (await worker.start([(one, new), (other, old)])).begun == {one, other}


async def test_a_start_repeated_while_the_first_is_still_at_work_is_granted_too(
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    """The reply was lost, the connection too, and the server has not noticed yet."""
    lease_id, [task_id] = await lease_out(1)
    async with asyncio.TaskGroup() as group, database.transaction():
        await database.fetch(statement("start_tasks"), [task_id], [lease_id])
        again = group.create_task(worker.start([(task_id, lease_id)]))
        await somebody_waits()
    assert again.result().begun == {task_id}


async def test_a_finish_under_another_living_lease_changes_nothing(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    old, [task_id, _] = await lease_out(2)
    release = Ending(task_id=task_id, lease_id=old, move=Move.RELEASE, outcome=OutcomeName.RELEASED)
    await worker.finish([release])
    new = await claim_one(queen)
    assert await worker.finish([succeeded(task_id, old)]) == []
    assert (await tasks.read(task_id)).lease_id == new


async def test_a_start_behind_a_finish_of_its_task_is_refused(
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    lease_id, [task_id, _] = await lease_out(2)
    async with asyncio.TaskGroup() as group, database.transaction():
        await database.fetch(
            statement("finish_tasks"),
            *([task_id], [lease_id], ["release"], ["released"]),
            *([None], [None], [None], [None], [lease_id], uuid4()),
        )
        late = group.create_task(worker.start([(task_id, lease_id)]))
        await somebody_waits()
    assert late.result().begun == set()


@pytest.mark.parametrize(
    ("payloads", "comes_along"),
    [
        ([{"n": 1}], [True]),
        ([{"text": "x" * 5000}], [False]),
        # Stored in a few bytes, and 1 MB when it is sent.
        ([{"text": "x" * 1_000_000}], [False]),
        ([{"n": 1}, {"n": 2}], [False]),
    ],
)
async def test_only_a_small_task_that_is_alone_in_its_lease_comes_with_the_accept(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    payloads: list[object],
    comes_along: list[bool],
) -> None:
    await tasks.submit([NewTask(kind="call", payload=payload) for payload in payloads])
    [bundle] = await queen.claim(
        "default", limit=9, lease=MINUTE, bundle_size=9, worker_count=1, watermarks=Watermarks()
    )
    granted = await worker.accept([bundle.lease_id], lease=MINUTE)
    assert [accepted.task is not None for accepted in granted] == comes_along
    read = await worker.tasks_of(granted)
    assert [decode_json(leased.task.payload) for leased in read] == payloads
    assert read == await worker.read([bundle.lease_id])


async def test_a_heartbeat_renews_the_leases_it_names_and_no_other(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, heartbeat: HeartbeatStore
) -> None:
    """An accept whose reply was lost must lapse: renewed by worker, it was held for ever."""
    await tasks.submit([NewTask(kind="call") for _ in range(2)])
    known, unknown = await claim_one(queen), await claim_one(queen)
    await worker.accept([known, unknown], lease=MINUTE)
    before = {lease.id for lease in await queen.own_leases(living=LIVING)}
    assert await heartbeat.renew([known], lease=timedelta(hours=1)) == {known}
    assert before == {known, unknown}
    assert await heartbeat.renew([], lease=MINUTE) == set()


async def test_what_was_not_renewed_lapses(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    heartbeat: HeartbeatStore,
    database: Connection,
) -> None:
    await tasks.submit([NewTask(kind="call") for _ in range(2)])
    known, unknown = await claim_one(queen), await claim_one(queen)
    await worker.accept([known, unknown], lease=MINUTE)
    await pass_time(database, 45)
    await heartbeat.renew([known], lease=MINUTE)
    await pass_time(database, 45)
    assert {row.lease_id for row in await queen.reap(batch_size=10)} == {unknown}
    assert await heartbeat.renew([known, unknown], lease=MINUTE) == {known}


async def test_nobody_renews_the_lease_of_another(
    lease_out: LeaseOut, open_worker: Callable[[], WorkerStore], open_line: Callable[[], Line]
) -> None:
    lease_id, _ = await lease_out(1)
    stranger = HeartbeatStore(open_worker().worker_id, open_line())
    assert await stranger.renew([lease_id], lease=MINUTE) == set()


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_the_reaper_leaves_alone_a_lease_that_is_being_renewed(
    ending: str,
    queen: QueenStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
) -> None:
    lease_id, _ = await lease_out(1)
    await pass_time(database, 61)
    renewal = database.transaction()
    await renewal.start()
    await database.fetch(statement("renew_leases"), worker.worker_id, [lease_id], 60.0)
    assert await queen.reap(batch_size=10) == []
    await (renewal.commit() if ending == "commit" else renewal.rollback())
    assert len(await queen.reap(batch_size=10)) == (ending == "rollback")


async def test_a_renewal_that_waits_behind_the_reaper_is_refused(
    heartbeat: HeartbeatStore,
    lease_out: LeaseOut,
    database: Connection,
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    lease_id, _ = await lease_out(1)
    await pass_time(database, 61)
    async with asyncio.TaskGroup() as group, database.transaction():
        assert len(await database.fetch(statement("reap_leases"), 10)) == 1
        late = group.create_task(heartbeat.renew([lease_id], lease=MINUTE))
        await somebody_waits()
    assert late.result() == set()


async def test_a_loss_is_charged_only_to_a_task_that_had_started_and_was_alone(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
) -> None:
    lease_id, [poison, mate, idle] = await lease_out(3)
    await worker.start([(poison, lease_id), (mate, lease_id)])
    await pass_time(database, 61)
    reaped = {row.id: row.outcome for row in await queen.reap(batch_size=10)}
    assert reaped == {
        poison: OutcomeName.LOST,
        mate: OutcomeName.LOST,
        idle: OutcomeName.RELEASED,
    }
    records = await tasks.read_many([poison, mate, idle])
    assert [record.losses for record in records] == [0, 0, 0]
    assert [record.attempt for record in records] == [0, 0, 0]


async def test_a_lapse_before_the_start_was_written_costs_nothing_also_alone(
    tasks: TaskStore, queen: QueenStore, lease_out: LeaseOut, database: Connection
) -> None:
    _, [task_id] = await lease_out(1)
    await pass_time(database, 61)
    [reaped] = await queen.reap(batch_size=10)
    assert (reaped.state, reaped.outcome) == (TaskState.QUEUED, OutcomeName.RELEASED)
    record = await tasks.read(task_id)
    assert (record.losses, record.failures, record.attempt) == (0, 0, 0)


async def test_after_a_lapse_each_task_goes_alone_so_that_poison_fails_alone(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
) -> None:
    lease_id, [poison, mate] = await lease_out(2)
    await worker.start([(poison, lease_id), (mate, lease_id)])
    await pass_time(database, 61)
    await queen.reap(batch_size=10)
    for _ in range(3):
        bundles = await queen.claim(
            "default",
            limit=10,
            lease=MINUTE,
            bundle_size=10,
            worker_count=1,
            watermarks=Watermarks(),
        )
        assert all(bundle.size == 1 for bundle in bundles)
        await worker.accept([bundle.lease_id for bundle in bundles], lease=MINUTE)
        read = await worker.read([bundle.lease_id for bundle in bundles])
        assert all(leased.task.writes_start for leased in read)
        for task in (leased.task for leased in read):
            if task.id == mate:
                await worker.finish([succeeded(mate, task.lease_id)])
            else:
                await worker.start([(task.id, task.lease_id)])
        await pass_time(database, 61)
        await queen.reap(batch_size=10)
    assert (await tasks.read(mate)).state is TaskState.SUCCEEDED
    dead = await tasks.read(poison)
    assert (dead.state, dead.losses) == (TaskState.FAILED, 3)
    assert "loss 3" in (dead.error or "")
    assert [entry.outcome for entry in dead.history] == ["lost", "lost", "lost"]


async def test_a_task_that_may_never_run_again_fails_at_its_first_loss_also_in_a_bundle(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, database: Connection
) -> None:
    [careful, other] = await tasks.submit(
        [NewTask(kind="command", max_losses=0), NewTask(kind="call")]
    )
    [bundle] = await queen.claim(
        "default", limit=2, lease=MINUTE, bundle_size=2, worker_count=1, watermarks=Watermarks()
    )
    await worker.accept([bundle.lease_id], lease=MINUTE)
    assert {t.task.id: t.task.writes_start for t in await worker.read([bundle.lease_id])} == {
        careful: True,
        other: False,
    }
    await worker.start([(careful, bundle.lease_id)])
    await pass_time(database, 61)
    states = {row.id: row.state for row in await queen.reap(batch_size=10)}
    assert states == {careful: TaskState.FAILED, other: TaskState.QUEUED}


async def test_a_queen_takes_back_only_what_she_gave_and_nobody_accepted(
    tasks: TaskStore, open_queen: Callable[[], QueenStore], worker: WorkerStore
) -> None:
    await tasks.submit([NewTask(kind="call") for _ in range(2)])
    queen, other = open_queen(), open_queen()
    sent, unsent = await claim_one(queen), await claim_one(queen)
    await worker.accept([sent], lease=MINUTE)
    assert await other.release([sent, unsent], reason="mine") == 0
    assert await queen.release([sent, unsent, LeaseId(uuid4())], reason="no worker") == 1
    assert [lease.id for lease in await queen.own_leases(living=LIVING)] == [sent]
    assert await tasks.count_orphans() == 0


async def test_a_queen_recounts_what_she_granted(
    tasks: TaskStore,
    open_queen: Callable[[], QueenStore],
    queen: QueenStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
) -> None:
    lease_id, [first, *_] = await lease_out(3)
    await worker.finish([succeeded(first, lease_id)])
    await tasks.submit([NewTask(kind="call", queue="frontend")])
    [waiting] = await queen.claim(
        "frontend", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    own = {
        (o.id, o.queue, o.open, o.size, o.is_unaccepted)
        for o in await queen.own_leases(living=LIVING)
    }
    assert own == {
        (lease_id, "default", 2, 3, False),
        (waiting.lease_id, "frontend", 1, 1, True),
    }
    assert await open_queen().own_leases(living=LIVING) == []
