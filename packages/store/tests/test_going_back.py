"""What goes back to the queue and what does not: max_losses 0, and a cancellation meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import asyncpg
import pytest

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.statements import statement
from hive_store.worker_store import Ending
from hive_testkit.ground import LEASE
from hive_testkit.timing import pass_time

REASON: Final = "its worker was told to stop"


async def leased(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, *, max_losses: int
) -> tuple[TaskId, LeaseId]:
    """Submit a task, and lease it to the worker."""
    [task_id] = await tasks.submit([NewTask(kind="command", max_losses=max_losses)])
    [part] = await queen.claim(
        "default", limit=1, lease=LEASE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    await worker.accept([part.lease_id], lease=LEASE)
    return task_id, part.lease_id


def release(task_id: TaskId, lease_id: LeaseId) -> Ending:
    return Ending(
        task_id=task_id,
        lease_id=lease_id,
        move=Move.RELEASE,
        outcome=OutcomeName.RELEASED,
        error=REASON,
    )


async def test_a_task_that_may_not_run_again_fails_when_it_is_given_back_after_its_start(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore
) -> None:
    task_id, lease_id = await leased(tasks, queen, worker, max_losses=0)
    await worker.start([(task_id, lease_id)])
    [finished] = await worker.finish([release(task_id, lease_id)])
    assert (finished.state, finished.outcome) == (TaskState.FAILED, OutcomeName.LOST)
    record = await tasks.read(task_id)
    assert (record.attempt, record.losses, record.failures) == (1, 1, 0)
    assert record.error == f"{REASON} (it may not run again)"
    assert await tasks.count_orphans() == 0


@pytest.mark.parametrize(("max_losses", "is_started"), [(0, False), (1, True)])
async def test_what_never_started_or_may_be_lost_goes_back(
    max_losses: int,
    is_started: bool,
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
) -> None:
    task_id, lease_id = await leased(tasks, queen, worker, max_losses=max_losses)
    if is_started:
        await worker.start([(task_id, lease_id)])
    [finished] = await worker.finish([release(task_id, lease_id)])
    assert finished.state is TaskState.QUEUED
    record = await tasks.read(task_id)
    assert (record.attempt, record.losses, record.error) == (0, 0, REASON)


@pytest.mark.parametrize(("max_losses", "is_started"), [(0, False), (1, True)])
async def test_a_postponed_task_waits_out_its_pause_uncounted_and_says_why(  # noqa: PLR0917
    max_losses: int,
    is_started: bool,
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    database: "asyncpg.Connection[Any]",
) -> None:
    task_id, lease_id = await leased(tasks, queen, worker, max_losses=max_losses)
    if is_started:
        await worker.start([(task_id, lease_id)])
    postponed = release(task_id, lease_id).replaced(move=Move.POSTPONE, backoff_seconds=30)
    [finished] = await worker.finish([postponed])
    [again] = await worker.finish([postponed])
    assert finished.state is again.state is TaskState.SCHEDULED
    assert finished.attempt == again.attempt == 1
    record = await tasks.read(task_id)
    assert (record.attempt, record.failures, record.losses, record.error) == (0, 0, 0, REASON)
    assert record.run_at - record.created_at > timedelta(seconds=29)
    told = "select type::text from hive.event order by id desc limit 1"
    assert await database.fetchval(told) == "released"
    assert (await queen.sweep_due(batch_size=10)).count == 0
    await pass_time(database, 31)
    assert (await queen.sweep_due(batch_size=10)).count == 1


async def test_a_postponed_task_that_may_not_run_again_fails_once_it_had_started(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore
) -> None:
    task_id, lease_id = await leased(tasks, queen, worker, max_losses=0)
    await worker.start([(task_id, lease_id)])
    [finished] = await worker.finish([release(task_id, lease_id).replaced(move=Move.POSTPONE)])
    assert (finished.state, finished.outcome) == (TaskState.FAILED, OutcomeName.LOST)


async def test_a_claim_takes_the_last_attempt_s_error_off_the_task(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore
) -> None:
    task_id, lease_id = await leased(tasks, queen, worker, max_losses=1)
    await worker.finish([release(task_id, lease_id)])
    await queen.claim(
        "default", limit=1, lease=LEASE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    record = await tasks.read(task_id)
    assert record.error is None
    assert [attempt.error for attempt in record.history] == [REASON]


async def test_a_reaper_that_waited_for_a_cancellation_ends_the_task_as_cancelled(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    database: "asyncpg.Connection[Any]",
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    task_id, _ = await leased(tasks, queen, worker, max_losses=3)
    await pass_time(database, LEASE.total_seconds() + 1)
    async with asyncio.TaskGroup() as group:
        async with database.transaction():
            await database.execute(
                "update hive.task set cancel_requested_at = now() where id = $1", task_id
            )
            reaping = group.create_task(queen.reap(batch_size=10))
            await somebody_waits()
        [reaped] = await reaping
    assert reaped.state is TaskState.CANCELLED
    assert (await tasks.read(task_id)).state is TaskState.CANCELLED


async def test_finish_and_claim_return_no_payload(database: "asyncpg.Connection[Any]") -> None:
    for name in ("claim_tasks", "finish_tasks"):
        prepared = await database.prepare(statement(name))
        assert not {a.name for a in prepared.get_attributes()} & {"payload", "result"}
