"""Calling off: at once what nobody has; what is leased, once nothing of it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeAlias

import asyncpg
import pytest

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import HeartbeatStore, QueenStore, TaskStore, WorkerStore
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


async def test_cancelling_what_nobody_has_ends_it_at_once(tasks: TaskStore) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call")])
    assert await tasks.cancel([task_id]) == {task_id: TaskState.CANCELLED}
    assert await tasks.cancel([task_id]) == {}


async def test_cancelling_what_is_leased_is_a_request_to_its_worker(
    tasks: TaskStore, worker: WorkerStore, heartbeat: HeartbeatStore, lease_out: LeaseOut
) -> None:
    lease_id, [one, other] = await lease_out(2)
    await worker.start([(one, lease_id)])
    assert await tasks.cancel([one]) == {one: TaskState.RUNNING}
    record = await tasks.read(one)
    assert record.state is TaskState.RUNNING
    assert record.cancel_requested_at is not None
    assert await heartbeat.cancel_requests([one, other]) == [one]
    assert {t.task.id: t.is_cancelled for t in await worker.read([lease_id])} == {
        one: True,
        other: False,
    }
    ended = Ending(task_id=one, lease_id=lease_id, move=Move.CANCEL, outcome=OutcomeName.CANCELLED)
    [finished] = await worker.finish([ended])
    assert finished.state is TaskState.CANCELLED
    assert await heartbeat.cancel_requests([one, other]) == []


async def test_plain_sql_calls_tasks_off_like_everybody_else_and_says_who(
    tasks: TaskStore, lease_out: LeaseOut, database: Connection
) -> None:
    _, [leased] = await lease_out(1)
    [keyed] = await tasks.submit([NewTask(kind="call", key="door")])
    [child] = await tasks.submit([NewTask(kind="call", after=[keyed])])
    await database.execute("delete from hive.dependency_wake")
    rows = await database.fetch(
        "select * from hive.cancel($1, 'no longer wanted')", [leased, keyed, 999]
    )
    assert {row["task_id"]: row["new_state"] for row in rows} == {
        leased: "dispatched",
        keyed: "cancelled",
    }
    assert (await tasks.read(leased)).cancel_requested_at is not None
    assert (await tasks.read(keyed)).error == "no longer wanted"
    events = await database.fetch(
        "select task_id, type::text from hive.event where reason = 'no longer wanted'"
    )
    assert {tuple(row) for row in events} == {(leased, "cancel_requested"), (keyed, "cancelled")}
    [deed] = await database.fetch("select actor, what, target, details from hive.audit")
    assert (deed["what"], deed["target"]) == ("cancel", f"{leased}, {keyed}")
    assert deed["actor"] == await database.fetchval("select session_user")
    assert await database.fetchval("select parent_id from hive.dependency_wake") == keyed
    assert await tasks.states([child]) == {child: TaskState.BLOCKED}
    again = await database.fetch("select * from hive.cancel($1)", [keyed])
    assert again == []
    assert await database.fetchval("select count(*) from hive.audit") == 1


async def test_a_reason_to_cancel_is_told_and_none_leaves_the_error_as_it_is(
    tasks: TaskStore,
) -> None:
    one, other = await tasks.submit([NewTask(kind="call")] * 2)
    await tasks.cancel([one], reason="a typo")
    await tasks.cancel([other])
    assert [(await tasks.read(i)).error for i in (one, other)] == ["a typo", None]


@pytest.mark.parametrize("move", [Move.RETRY, Move.RELEASE])
async def test_a_task_that_was_called_off_does_not_come_back(
    move: Move, tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await tasks.cancel([task_id])
    outcome = OutcomeName.FAILED if move is Move.RETRY else OutcomeName.RELEASED
    [finished] = await worker.finish(
        [Ending(task_id=task_id, lease_id=lease_id, move=move, outcome=outcome)]
    )
    assert (finished.state, finished.attempt) == (TaskState.CANCELLED, 1)


async def test_a_result_that_comes_in_spite_of_a_cancel_request_is_kept(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await tasks.cancel([task_id])
    [finished] = await worker.finish([succeeded(task_id, lease_id)])
    assert finished.state is TaskState.SUCCEEDED


async def test_the_reaper_ends_what_was_called_off_when_its_worker_is_gone(
    tasks: TaskStore, queen: QueenStore, lease_out: LeaseOut, database: Connection
) -> None:
    _, [task_id] = await lease_out(1)
    await tasks.cancel([task_id])
    await pass_time(database, 61)
    [reaped] = await queen.reap(batch_size=10)
    assert (reaped.state, reaped.outcome) == (TaskState.CANCELLED, OutcomeName.CANCELLED)


async def test_a_cancel_steps_over_a_task_that_somebody_is_writing(
    tasks: TaskStore, database: Connection
) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call")])
    async with database.transaction():
        await database.execute(f"select from hive.task where id = {task_id} for update")
        async with asyncio.timeout(5):
            assert await tasks.cancel([task_id]) == {}
    assert await tasks.cancel([task_id]) == {task_id: TaskState.CANCELLED}


async def test_a_revival_steps_over_a_task_that_somebody_is_writing(
    tasks: TaskStore, database: Connection
) -> None:
    one, other = await tasks.submit([NewTask(kind="call"), NewTask(kind="call")])
    await tasks.cancel([one, other])
    async with database.transaction():
        await database.execute(f"select from hive.task where id = {one} for update")
        async with asyncio.timeout(5):
            assert await tasks.revive([one, other]) == [other]
    assert await tasks.revive([one]) == [one]
