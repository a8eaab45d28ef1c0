"""Finishing: each ending once, in whatever batches, with no lease leaked and none cut short."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from hive_contracts.errors import UnstorableValueError
from hive_contracts.events import EventType
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.wire import encode_json
from hive_store import QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.event_log import EventLog
from hive_store.line import Line
from hive_store.statements import statement
from hive_store.worker_store import Ending
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
LeaseOut: TypeAlias = Callable[[int], Awaitable[tuple[LeaseId, list[TaskId]]]]
Wait: TypeAlias = Callable[[], Awaitable[None]]

MINUTE: Final = timedelta(minutes=1)


def succeeded(task_id: TaskId, lease_id: LeaseId, *, result: str = "1") -> Ending:
    return Ending(
        task_id=task_id,
        lease_id=lease_id,
        move=Move.SUCCEED,
        outcome=OutcomeName.SUCCEEDED,
        result=result,
        run_seconds=0.5,
    )


def failed(task_id: TaskId, lease_id: LeaseId, *, error: str = "exit code 1") -> Ending:
    return Ending(
        task_id=task_id,
        lease_id=lease_id,
        move=Move.RETRY,
        outcome=OutcomeName.FAILED,
        error=error,
        backoff_seconds=30,
    )


def released(task_id: TaskId, lease_id: LeaseId) -> Ending:
    return Ending(
        task_id=task_id, lease_id=lease_id, move=Move.RELEASE, outcome=OutcomeName.RELEASED
    )


def finish_arguments(*endings: Ending) -> tuple[Any, ...]:
    """What `WorkerStore.finish` sends, for connections that are held in mid-transaction."""
    return (
        [e.task_id for e in endings],
        [e.lease_id for e in endings],
        [str(e.move) for e in endings],
        [str(e.outcome) for e in endings],
        [e.result for e in endings],
        [e.error for e in endings],
        [e.backoff_seconds for e in endings],
        [e.run_seconds for e in endings],
        list({e.lease_id for e in endings}),
        uuid4(),
    )


async def leases(database: Connection) -> dict[LeaseId, int]:
    return {row["id"]: row["open"] for row in await database.fetch("select * from hive.lease")}


async def test_finishing_part_of_a_bundle_keeps_its_lease_and_finishing_the_rest_ends_it(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut, database: Connection
) -> None:
    lease_id, [one, two, three] = await lease_out(3)
    [first] = await worker.finish([succeeded(one, lease_id)])
    assert first.open == 2
    assert await leases(database) == {lease_id: 2}
    rest = await worker.finish([succeeded(two, lease_id), failed(three, lease_id)])
    assert [row.open for row in rest] == [0, 0]
    assert await leases(database) == {}
    assert await tasks.count_orphans() == 0


async def test_two_flushes_at_once_of_two_parts_leave_neither_lease_nor_orphan(
    tasks: TaskStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
    somebody_waits: Wait,
) -> None:
    """With `open` read before its lock, both saw two open tasks, and neither ended the lease."""
    lease_id, [one, other] = await lease_out(2)
    async with asyncio.TaskGroup() as group, database.transaction():
        await database.fetch(statement("finish_tasks"), *finish_arguments(succeeded(one, lease_id)))
        flush = group.create_task(worker.finish([succeeded(other, lease_id)]))
        await somebody_waits()
    assert [row.open for row in flush.result()] == [0]
    assert await leases(database) == {}
    assert await tasks.count_orphans() == 0


async def test_a_finish_behind_the_reaper_changes_nothing(
    tasks: TaskStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
    somebody_waits: Wait,
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await pass_time(database, 61)
    async with asyncio.TaskGroup() as group, database.transaction():
        await database.fetch(statement("reap_leases"), 10)
        late = group.create_task(worker.finish([succeeded(task_id, lease_id)]))
        await somebody_waits()
    assert late.result() == []
    assert (await tasks.read(task_id)).state is TaskState.QUEUED


async def test_the_reaper_steps_over_a_lease_that_is_being_finished(
    queen: QueenStore, lease_out: LeaseOut, database: Connection
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await pass_time(database, 61)
    async with database.transaction():
        await database.fetch(
            statement("finish_tasks"), *finish_arguments(succeeded(task_id, lease_id))
        )
        async with asyncio.timeout(5):
            assert await queen.reap(batch_size=10) == []
    assert await queen.reap(batch_size=10) == []


@pytest.mark.parametrize("first", ["ascending", "descending"])
async def test_flushes_that_name_the_same_leases_in_any_order_do_not_deadlock(
    first: str,
    open_worker: Callable[[], WorkerStore],
    lease_out: LeaseOut,
    tasks: TaskStore,
) -> None:
    held = sorted([await lease_out(20) for _ in range(6)])
    orders = [held, held[::-1]] if first == "ascending" else [held[::-1], held]
    async with asyncio.TaskGroup() as group:
        for i in range(20):
            batch = [succeeded(ids[i], lease_id) for lease_id, ids in orders[i % 2]]
            group.create_task(open_worker().finish(batch))
    assert await tasks.count_orphans() == 0
    assert (await tasks.count())["default"] == {TaskState.SUCCEEDED: 120}


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (succeeded, TaskState.SUCCEEDED),
        (failed, TaskState.SCHEDULED),
        (released, TaskState.QUEUED),
    ],
)
async def test_a_finish_whose_reply_was_lost_is_recognized_as_ours(
    make: Callable[[TaskId, LeaseId], Ending],
    state: TaskState,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
) -> None:
    lease_id, [task_id] = await lease_out(1)
    [first] = await worker.finish([make(task_id, lease_id)])
    [again] = await worker.finish([make(task_id, lease_id)])
    assert (first.state, first.open) == (state, 0)
    assert again == first._replace(queen_id=None, open=None)
    ends = "select count(*) from hive.event where task_id is not null"
    assert await database.fetchval(ends) == 1


async def test_successes_written_at_once_are_one_event_and_each_task_reads_its_own(
    worker: WorkerStore,
    lease_out: LeaseOut,
    open_line: Callable[[], Line],
    database: Connection,
) -> None:
    lease_id, [*good, bad] = await lease_out(4)
    await worker.finish([*(succeeded(i, lease_id) for i in good), failed(bad, lease_id)])
    told = await database.fetch(
        "select type::text, task_id, task_ids, attempt from hive.event"
        " where type in ('succeeded', 'retried')"
    )
    assert sorted(tuple(row) for row in told) == [
        ("retried", bad, None, 1),
        ("succeeded", None, good, 1),
    ]
    for task_id in good:
        last = (await EventLog(open_line()).of_task(task_id))[-1]
        assert (last.type, last.task_ids, last.attempts) == (EventType.SUCCEEDED, (task_id,), (1,))


async def test_a_repeat_tells_what_was_written_even_if_the_task_has_moved_on(
    queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.finish([released(task_id, lease_id)])
    [bundle] = await queen.claim(
        "default", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    [again] = await worker.finish([released(task_id, lease_id)])
    assert (again.state, again.attempt, again.lease_id) == (TaskState.QUEUED, 1, lease_id)
    [now] = await worker.finish([succeeded(task_id, bundle.lease_id)])
    assert (now.state, now.attempt) == (TaskState.SUCCEEDED, 1)


async def test_a_second_opinion_under_the_same_lease_is_not_written(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.finish([succeeded(task_id, lease_id)])
    assert await worker.finish([failed(task_id, lease_id)]) == []
    assert (await tasks.read(task_id)).state is TaskState.SUCCEEDED


async def test_of_two_endings_of_one_task_in_a_batch_the_first_counts_and_counts_once(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut, database: Connection
) -> None:
    lease_id, [task_id, other] = await lease_out(2)
    [finished] = await worker.finish(
        [
            succeeded(task_id, lease_id, result='"first"'),
            failed(task_id, lease_id),
            succeeded(task_id, lease_id, result='"third"'),
        ]
    )
    assert finished.state is TaskState.SUCCEEDED
    assert (await tasks.read(task_id)).result == "first"
    assert await leases(database) == {lease_id: 1}
    assert (await tasks.read(other)).state is TaskState.DISPATCHED


async def test_the_statement_counts_a_task_named_twice_once(
    tasks: TaskStore, lease_out: LeaseOut, database: Connection
) -> None:
    lease_id, [task_id, _] = await lease_out(2)
    twice = finish_arguments(succeeded(task_id, lease_id), failed(task_id, lease_id))
    rows = await database.fetch(statement("finish_tasks"), *twice)
    assert [row["task_ids"] for row in rows if row["task_ids"]] == [[task_id]]
    assert await leases(database) == {lease_id: 1}
    assert await tasks.count_orphans() == 0


async def test_a_success_is_written_alike_with_failures_and_without(
    worker: WorkerStore, lease_out: LeaseOut, database: Connection
) -> None:
    """Alone by `succeed_tasks`, beside anything else by `finish_tasks`."""
    lease_id, [one, two, three] = await lease_out(3)
    alone = await worker.finish([succeeded(one, lease_id, result='{"n": 1}')])
    beside = await worker.finish(
        [succeeded(two, lease_id, result='{"n": 1}'), failed(three, lease_id)]
    )
    written = [
        {**(await database.fetchrow("select * from hive.task where id = $1", task_id) or {})}
        for task_id in (one, two)
    ]
    moments = {"id", "run_at", "created_at", "started_at", "finished_at"}
    first, second = ({k: v for k, v in row.items() if k not in moments} for row in written)
    assert first == second
    assert all(row["started_at"] < row["finished_at"] for row in written)
    [mine] = [row for row in beside if row.state is TaskState.SUCCEEDED]
    assert [alone[0]._replace(task_ids=[], open=0)] == [mine._replace(task_ids=[], open=0)]
    told = await database.fetch(
        "select type, attempt, reason from hive.event where type = 'succeeded'"
    )
    assert [tuple(row) for row in told] == [("succeeded", 1, None)] * 2


async def test_of_many_successes_those_written_before_and_those_of_others_are_told_apart(
    worker: WorkerStore, lease_out: LeaseOut, database: Connection
) -> None:
    lease_id, [one, two, three] = await lease_out(3)
    other_lease, [foreign] = await lease_out(1)
    await worker.finish([succeeded(one, lease_id)])
    await database.execute("delete from hive.lease where id = $1", other_lease)
    flush = [succeeded(i, lease_id) for i in (one, two, three)]
    finished = await worker.finish([*flush, succeeded(foreign, other_lease)])
    assert sorted((sorted(row.task_ids), row.open) for row in finished if row.open == 0) == [
        ([two, three], 0)
    ]
    assert [row.task_ids for row in finished if row.open is None] == [[one]]
    assert await leases(database) == {}


async def test_of_a_task_that_ended_under_two_leases_the_later_one_counts(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
) -> None:
    """Its worker could not write the first ending before the lease lapsed, and had it again."""
    lapsed, [task_id] = await lease_out(1)
    await pass_time(database, 61)
    await queen.reap(batch_size=100)
    [bundle] = await queen.claim(
        "default",
        limit=10,
        lease=MINUTE,
        bundle_size=10,
        worker_count=1,
        watermarks=Watermarks(),
    )
    await worker.accept([bundle.lease_id], lease=MINUTE)
    flush = [
        succeeded(task_id, lapsed, result='"first"'),
        succeeded(task_id, bundle.lease_id, result='"second"'),
    ]
    [finished] = await worker.finish(flush)
    assert (finished.task_ids, finished.lease_id) == ([task_id], bundle.lease_id)
    assert (await tasks.read(task_id)).result == "second"
    assert await leases(database) == {}


async def test_endings_under_many_leases_are_written_in_one_batch(
    worker: WorkerStore, lease_out: LeaseOut, database: Connection
) -> None:
    held = [await lease_out(count) for count in (1, 2, 3)]
    batch = [succeeded(i, lease_id) for lease_id, ids in held for i in ids[:2]]
    finished = await worker.finish(batch)
    assert {row.lease_id: (sorted(row.task_ids), row.open) for row in finished} == {
        held[0][0]: (held[0][1], 0),
        held[1][0]: (held[1][1], 0),
        held[2][0]: (held[2][1][:2], 1),
    }
    assert await leases(database) == {held[2][0]: 1}
    assert await worker.finish([]) == []


async def test_a_retry_waits_out_its_back_off_and_keeps_its_history(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    lease_out: LeaseOut,
    database: Connection,
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.start([(task_id, lease_id)])
    [finished] = await worker.finish([failed(task_id, lease_id, error="the disk is full")])
    assert (finished.state, finished.attempt) == (TaskState.SCHEDULED, 1)
    assert (await queen.sweep_due(batch_size=10)).count == 0
    await pass_time(database, 31)
    assert (await queen.sweep_due(batch_size=10)).count == 1
    [entry] = (await tasks.read(task_id)).history
    assert (entry.attempt, entry.outcome, entry.error) == (1, "failed", "the disk is full")
    assert entry.worker_id == worker.worker_id
    assert entry.started_at is not None


async def test_a_retry_without_a_back_off_is_due_at_once(
    queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.finish([failed(task_id, lease_id).replaced(backoff_seconds=None)])
    assert (await queen.sweep_due(batch_size=10)).count == 1


async def test_an_attempt_that_was_given_back_is_not_counted(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    [finished] = await worker.finish([released(task_id, lease_id)])
    assert (finished.state, finished.attempt) == (TaskState.QUEUED, 1)
    [bundle] = await queen.claim(
        "default", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    await worker.accept([bundle.lease_id], lease=MINUTE)
    [leased] = await worker.read([bundle.lease_id])
    assert (leased.task.attempt, leased.task.failures) == (1, 0)
    assert len((await tasks.read(task_id)).history) == 1


async def test_an_attempt_that_never_wrote_its_start_is_dated_by_its_run_time(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [ran, never] = await lease_out(2)
    await worker.finish(
        [succeeded(ran, lease_id), succeeded(never, lease_id).replaced(run_seconds=None)]
    )
    record = await tasks.read(ran)
    assert record.started_at is not None
    assert record.finished_at is not None
    length = record.finished_at - record.started_at
    assert abs(length - timedelta(seconds=0.5)) < timedelta(milliseconds=1)
    assert (await tasks.read(never)).started_at is None


async def test_a_text_that_postgres_cannot_hold_does_not_cost_the_batch(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [one, other] = await lease_out(2)
    error = "a\0b \ud800 ü"
    finished = await worker.finish([failed(one, lease_id, error=error), succeeded(other, lease_id)])
    assert sorted(row.task_ids for row in finished) == [[one], [other]]
    assert (await tasks.read(one)).error == "a\\x00b \\ud800 ü"


@pytest.mark.parametrize("result", ['"\\u0000"', '"\\ud800"', "1" * 200_000, "[" * 200_000])
async def test_a_result_that_postgres_refuses_is_named_and_nothing_is_written(
    result: str, tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    """The caller parts the batch and finds the one; see what `encode_json` refuses before."""
    lease_id, [one, other] = await lease_out(2)
    with pytest.raises(UnstorableValueError, match="Postgres cannot hold a value"):
        await worker.finish([succeeded(one, lease_id), succeeded(other, lease_id, result=result)])
    assert len(await worker.finish([succeeded(one, lease_id)])) == 1
    assert (await tasks.read(other)).state is TaskState.DISPATCHED


@pytest.mark.parametrize(
    "result", [None, 0, "ü\u2028", [1.5, {"a": [None, True]}], {"n": 10**300}, "\\u0000", {"": ""}]
)
async def test_a_result_comes_back_as_it_was(
    result: Any, tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.finish([succeeded(task_id, lease_id, result=encode_json(result))])
    assert (await tasks.read(task_id)).result == result
    [ended] = await tasks.read_ended([task_id])
    assert (ended.result, ended.state, ended.outcome, ended.attempt) == (
        result,
        TaskState.SUCCEEDED,
        OutcomeName.SUCCEEDED,
        1,
    )


async def test_a_revived_task_has_one_more_attempt_and_keeps_what_it_had(
    tasks: TaskStore, worker: WorkerStore, queen: QueenStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.finish([failed(task_id, lease_id).replaced(move=Move.FAIL)])
    assert await tasks.revive([task_id]) == [task_id]
    assert await tasks.revive([task_id]) == []
    record = await tasks.read(task_id)
    assert (record.state, record.failures, record.max_attempts) == (TaskState.QUEUED, 1, 3)
    assert [(entry.attempt, entry.outcome) for entry in record.history] == [(1, "failed")]
    [bundle] = await queen.claim(
        "default", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    [finished] = await worker.finish([succeeded(task_id, bundle.lease_id)])
    assert finished.attempt == 2


async def test_a_task_out_of_attempts_gets_one_more_by_revival(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut, database: Connection
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await database.execute("update hive.task set max_attempts = 1")
    await worker.finish([failed(task_id, lease_id).replaced(move=Move.FAIL)])
    await tasks.revive([task_id])
    assert (await tasks.read(task_id)).max_attempts == 2
