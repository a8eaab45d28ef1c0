"""Tasks that are set aside: by themselves or by hand, for a while or until they are let go on."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from hive_contracts.errors import RefusedTaskError
from hive_contracts.events import EventType
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.retrying import Retry
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store.deeds import Actor
from hive_store.granting import grant_all
from hive_store.queen_findings import Swept
from hive_store.submitting import HELD_UNTIL
from hive_store.worker_store import Ending, LeasedTask
from hive_testkit.ground import Ground, open_ground
from hive_testkit.timing import pass_time

ADA = Actor("ada", "here")
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
async def ground(database_url: str) -> AsyncGenerator[Ground]:
    async with open_ground(database_url) as ground:
        yield ground


def park(leased: LeasedTask, **changes: Any) -> Ending:
    return Ending(
        task_id=leased.task.id,
        lease_id=leased.task.lease_id,
        move=Move.PARK,
        outcome=OutcomeName.RELEASED,
        error="not yet",
        run_seconds=0.5,
    ).replaced(**changes)


async def events_of(database: asyncpg.Connection, task_id: TaskId) -> list[str]:
    rows = await database.fetch(
        "select type::text from hive.event where task_id = $1 or $1 = any(task_ids) order by id",
        task_id,
    )
    return [row["type"] for row in rows]


async def test_an_attempt_that_asks_for_it_is_parked_and_does_not_count(ground: Ground) -> None:
    [leased] = await ground.lease(1, max_attempts=1)
    ending = park(leased, backoff_seconds=60.0)
    [finished] = await ground.worker.finish([ending])
    assert (finished.state, finished.outcome) == (TaskState.SCHEDULED, OutcomeName.RELEASED)
    assert finished.open == 0
    record = await ground.tasks.read(leased.task.id)
    assert (record.state, record.attempt, record.failures) == (TaskState.SCHEDULED, 0, 0)
    assert record.parked_reason == "not yet"
    [past] = record.history
    assert (past.outcome, past.error, past.again_at) == ("released", "not yet", record.run_at)
    [again] = await ground.worker.finish([ending])
    assert again == finished._replace(queen_id=None, open=None)
    assert await ground.tasks.count_orphans() == 0


async def test_of_two_endings_in_one_flush_each_is_written_as_it_is(ground: Ground) -> None:
    first, second = await ground.lease(2)
    done = Ending(second.task.id, second.task.lease_id, Move.SUCCEED, OutcomeName.SUCCEEDED, "1")
    finished = await ground.worker.finish([park(first, until=FAR), done])
    assert {f.state for f in finished} == {TaskState.SCHEDULED, TaskState.SUCCEEDED}
    assert (await ground.tasks.read(first.task.id)).run_at == FAR
    assert await ground.tasks.count_orphans() == 0


async def test_a_stale_park_changes_nothing(ground: Ground, database: asyncpg.Connection) -> None:
    [leased] = await ground.lease(1)
    await database.execute("update hive.lease set expires_at = now() - interval '1 second'")
    await ground.queen.reap(batch_size=10)
    assert await ground.worker.finish([park(leased)]) == []
    assert (await ground.tasks.read(leased.task.id)).parked_at is None


async def test_who_is_called_off_is_not_parked(ground: Ground) -> None:
    [leased] = await ground.lease(1)
    await ground.tasks.cancel([leased.task.id])
    [finished] = await ground.worker.finish([park(leased)])
    assert (finished.state, finished.outcome) == (TaskState.CANCELLED, OutcomeName.CANCELLED)


async def test_a_task_that_may_not_run_again_may_if_it_asks_for_it(ground: Ground) -> None:
    [leased] = await ground.lease(1, max_losses=0)
    await ground.worker.start([(leased.task.id, leased.task.lease_id)])
    [finished] = await ground.worker.finish([park(leased, backoff_seconds=0.0)])
    assert finished.state is TaskState.SCHEDULED


async def test_what_is_parked_for_a_while_goes_on_by_itself(
    ground: Ground, database: asyncpg.Connection
) -> None:
    [leased] = await ground.lease(1)
    await ground.worker.finish([park(leased, backoff_seconds=60.0)])
    assert (await ground.queen.sweep_due(batch_size=10)).count == 0
    await pass_time(database, 61)
    assert (await ground.queen.sweep_due(batch_size=10)).count == 1
    record = await ground.tasks.read(leased.task.id)
    assert (record.state, record.parked_at, record.parked_reason) == (TaskState.QUEUED, None, None)


async def test_what_is_parked_without_an_end_waits_until_it_is_unparked(
    ground: Ground, database: asyncpg.Connection
) -> None:
    [leased] = await ground.lease(1)
    await ground.worker.finish([park(leased)])
    await pass_time(database, 10 * 365 * 86_400)
    assert await ground.queen.sweep_due(batch_size=10) == Swept(0, None)
    assert await ground.tasks.unpark([leased.task.id], by=ADA) == {leased.task.id: TaskState.QUEUED}
    assert await ground.tasks.unpark([leased.task.id], by=ADA) == {}
    assert (await events_of(database, leased.task.id))[-2:] == [
        EventType.PARKED,
        EventType.UNPARKED,
    ]


async def test_waiting_tasks_are_parked_by_hand_and_others_are_not(
    ground: Ground, database: asyncpg.Connection
) -> None:
    [leased] = await ground.lease(1)
    [queued] = await ground.submit(1)
    [later] = await ground.submit(1, run_at=FAR)
    asked = [leased.task.id, queued, later]
    assert await ground.tasks.park(asked, until=None, reason="a test", by=ADA) == [queued, later]
    assert (await ground.tasks.read(queued)).parked_reason == "a test"
    states = await ground.tasks.unpark(asked, by=ADA)
    assert states == {queued: TaskState.QUEUED, later: TaskState.SCHEDULED}
    record = await ground.tasks.read(later)
    assert (record.run_at, record.parked_at) == (FAR, None)
    rows = await database.fetch("select actor, what, target from hive.audit order by at")
    both = f"{queued}, {later}"
    assert [tuple(row) for row in rows] == [("ada", "park", both), ("ada", "unpark", both)]


async def test_who_waits_for_the_turn_of_a_key_lines_up_again(ground: Ground) -> None:
    first, second, third = await ground.submit(3, key="k")
    await ground.queen.grant_turns(batch_size=10)
    await ground.tasks.park([second], until=None, reason=None, by=ADA)
    assert (await ground.tasks.read(second)).state is TaskState.SCHEDULED
    await ground.end_next()
    await ground.queen.grant_turns(batch_size=10)
    states = await ground.tasks.states([first, second, third])
    assert states == {
        first: TaskState.SUCCEEDED, second: TaskState.SCHEDULED, third: TaskState.QUEUED,
    }  # fmt: skip
    assert await ground.tasks.unpark([second], by=ADA) == {second: TaskState.BLOCKED}
    await ground.end_next()
    await ground.queen.grant_turns(batch_size=10)
    assert (await ground.tasks.read(second)).state is TaskState.QUEUED


async def test_who_comes_after_another_and_is_parked_leaves_the_line_of_its_key_to_the_next(
    ground: Ground,
) -> None:
    [parent] = await ground.submit(1, run_at=FAR)
    [first] = await ground.submit(1, key="k", after=(parent,))
    [second] = await ground.submit(1, key="k")
    await grant_all(ground.queen, batch_size=10)
    assert (await ground.tasks.read(second)).state is TaskState.BLOCKED
    await ground.tasks.park([first], until=None, reason=None, by=ADA)
    await grant_all(ground.queen, batch_size=10)
    assert (await ground.tasks.read(second)).state is TaskState.QUEUED


async def test_what_was_for_later_waits_for_that_moment_again_when_its_parking_is_over(
    ground: Ground, database: asyncpg.Connection
) -> None:
    now = datetime.now(UTC)
    [later] = await ground.submit(1, run_at=now + timedelta(days=1))
    [held] = await ground.submit(1, run_at=HELD_UNTIL)
    [queued] = await ground.submit(1)
    await ground.tasks.park(
        [later, held, queued], until=now + timedelta(seconds=60), reason=None, by=ADA
    )
    await pass_time(database, 61)
    swept = await ground.queen.sweep_due(batch_size=10)
    assert swept.count == 3
    assert swept.next_seconds is not None
    assert 80_000 < swept.next_seconds < 86_400
    assert await ground.tasks.states([later, held, queued]) == {
        later: TaskState.SCHEDULED, held: TaskState.SCHEDULED, queued: TaskState.QUEUED,
    }  # fmt: skip
    record = await ground.tasks.read(held)
    assert (record.run_at, record.parked_at, record.parked_reason) == (HELD_UNTIL, None, None)
    await pass_time(database, 86_400)
    assert (await ground.queen.sweep_due(batch_size=10)).count == 1
    assert (await ground.tasks.read(later)).state is TaskState.QUEUED


async def test_plain_sql_parks_and_unparks(ground: Ground, database: asyncpg.Connection) -> None:
    [task_id] = await ground.submit(1)
    assert await database.fetchval("select * from hive.park(array[$1::bigint])", task_id) == task_id
    record = await ground.tasks.read(task_id)
    assert (record.parked_reason, record.run_at) == ("by hand", datetime.max.replace(tzinfo=UTC))
    [row] = await database.fetch("select * from hive.unpark(array[$1::bigint])", task_id)
    assert tuple(row) == (task_id, "queued")


async def test_a_policy_is_kept_and_given_to_the_worker(ground: Ground) -> None:
    policy = Retry.after(timedelta(seconds=1), timedelta(minutes=1)).only_on(OSError)
    [leased] = await ground.lease(1, retry=policy)
    text = "1s, 1m only on OSError"
    assert (leased.task.retry, leased.task.max_attempts) == (text, 3)
    assert (await ground.tasks.read(leased.task.id)).retry == text
    bundle = await ground.bundle(1, retry="fixed(1s)")
    [accepted] = await ground.worker.accept([bundle.lease_id], lease=timedelta(seconds=15))
    assert accepted.task is not None
    assert accepted.task.task.retry == "fixed(1s)"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"retry": "now and then"}, "the retry policy 'now and then' makes no sense"),
        ({"retry": "only on OSError", "kind": "command"}, "a command never fails with 'OSError'"),
        ({"retry": "fixed(1s)", "max_attempts": 1}, "max_attempts 1 allows no retry"),
        ({"retry": 5}, "retry is text or a Retry, not 5"),
    ],
)
async def test_a_policy_that_makes_no_sense_is_refused(
    ground: Ground, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RefusedTaskError, match=reason):
        await ground.tasks.submit([replace(NewTask(kind="call"), **changes)])


@pytest.mark.parametrize("text", ["", "now and then", "fixed 1s"])
async def test_postgres_refuses_most_of_what_is_no_policy(
    database: asyncpg.Connection, text: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="a_retry_policy_says"):
        await database.execute("insert into hive.task (kind, retry) values ('call', $1)", text)


async def test_the_wait_of_a_retry_is_kept_with_the_attempt(ground: Ground) -> None:
    [leased] = await ground.lease(1)
    ending = Ending(
        leased.task.id, leased.task.lease_id, Move.RETRY, OutcomeName.FAILED, error="no",
        backoff_seconds=30.0,
    )  # fmt: skip
    await ground.worker.finish([ending])
    record = await ground.tasks.read(leased.task.id)
    assert [past.again_at for past in record.history] == [record.run_at]
