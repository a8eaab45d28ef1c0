"""Calling off all that fits a selection: what waits and what runs, and a true count of each."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from hive_client import CalledOff, Hive, NewTask, Selection, TaskState
from hive_client import cancelling as module
from hive_contracts.errors import UsageError
from hive_store.claiming import ClaimedBundle, Watermarks
from hive_testkit.ground import LEASE, Ground


async def test_all_that_fits_is_called_off_in_whatever_state_it_is(
    hive: Hive, ground: Ground
) -> None:
    leased = await hive.submit("trial", queue="q")
    await ground.claim(1, queue="q")
    later = datetime.now(UTC) + timedelta(hours=1)
    first, then = await hive.submit_many([NewTask(kind="trial", queue="q", key="k")] * 2)
    waiting = await hive.submit("trial", queue="q", run_at=later)
    other = await hive.submit("trial")
    done = await hive.cancel_all(Selection(queue="q"))
    assert done == CalledOff(cancelled=3, stopping=(leased,), ended=0, held=())
    states = await hive.tasks.states([leased, first, then, waiting, other])
    assert list(states.values()).count(TaskState.CANCELLED) == 3
    assert states[other] is TaskState.QUEUED
    assert (await hive.show(leased)).cancel_requested_at is not None


async def test_a_key_and_a_state_choose_too(hive: Hive) -> None:
    kept, gone = await hive.submit_many(
        [NewTask(kind="trial", key=key, group="g") for key in ("a", "b")]
    )
    blocked = frozenset({TaskState.BLOCKED})
    assert (await hive.cancel_all(Selection(key="b", states=blocked))).cancelled == 1
    assert await hive.tasks.states([kept, gone]) == {
        kept: TaskState.BLOCKED,
        gone: TaskState.CANCELLED,
    }


async def test_what_cannot_be_meant_is_refused(hive: Hive) -> None:
    task_id = await hive.submit("trial")
    with pytest.raises(UsageError, match="say which tasks"):
        await hive.cancel_all(Selection())
    with pytest.raises(UsageError, match="a failed task cannot be cancelled"):
        await hive.cancel_all(Selection(states=frozenset({TaskState.FAILED})))
    assert (await hive.show(task_id)).state is TaskState.QUEUED


async def test_who_did_it_is_written_down(hive: Hive, database_url: str) -> None:
    await hive.submit_many([NewTask(kind="trial", group="g")] * 3)
    await hive.cancel_all(Selection(group="g"))
    connection = await asyncpg.connect(database_url)
    [row] = await connection.fetch("select what, target, details, actor from hive.audit")
    await connection.close()
    assert row["what"] == "cancel"
    assert "group=g" in row["target"]
    assert row["details"] == '{"tasks": 3}'
    assert row["actor"]


async def claim_one(ground: Ground) -> list[ClaimedBundle]:
    return await ground.queen.claim(
        "default",
        limit=1,
        lease=LEASE,
        bundle_size=1,
        worker_count=1,
        watermarks=Watermarks(),
    )


async def test_many_go_in_small_transactions_that_hold_up_no_claim(
    hive: Hive, ground: Ground, database_url: str
) -> None:
    await hive.submit_many([NewTask(kind="trial", group="g")] * 3000)
    await hive.submit_many([NewTask(kind="trial", priority=9)] * 200)
    async with asyncio.TaskGroup() as group:
        cancelling = group.create_task(hive.cancel_all(Selection(group="g")))
        claims = 0
        while not cancelling.done():
            claims += len(await claim_one(ground))
    done = cancelling.result()
    assert done.cancelled + len(done.stopping) == 3000
    assert claims > 1
    connection = await asyncpg.connect(database_url)
    largest = await connection.fetchval(
        "select max(count) from (select count(*) from hive.event where type = 'cancelled'"
        " group by xid) each"
    )
    await connection.close()
    assert largest <= 1000


async def test_what_another_transaction_holds_is_asked_again_and_named_in_the_end(
    hive: Hive, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROUNDS", 2)
    held, _ = await hive.submit_many([NewTask(kind="trial", group="g")] * 2)
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("select from hive.task where id = $1 for update", held)
        done = await hive.cancel_all(Selection(group="g"))
    await connection.close()
    assert (done.cancelled, done.held) == (1, (held,))
    assert (await hive.cancel_all(Selection(group="g"))).cancelled == 1
