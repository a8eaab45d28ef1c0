"""Queues and limits from Python: with asyncio and without, the same methods."""

from datetime import timedelta

import asyncpg
import pytest

from hive_client import Hive, NewTask, SyncHive
from hive_contracts.errors import UsageError
from hive_contracts.limits import Limit, LimitScope

TRUE = NewTask(kind="command", payload={"argv": ["true"]})
AGENTS = Limit(scope=LimitScope.KIND, target="agent", max_running=4)


async def test_queues_are_paused_drained_and_resumed_and_the_log_names_who(
    hive: Hive,
    database: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HIVE_AUDIT_ACTOR", "ada")
    assert await hive.pause_queue("images", reason="a new model")
    await hive.drain_queue("images", within=timedelta(seconds=60))
    assert await hive.resume_queue("images")
    assert not await hive.resume_queue("images")
    deeds = await database.fetch("select actor, what, target from hive.audit order by at")
    assert [tuple(row) for row in deeds] == [
        ("ada", "pause", "images"),
        ("ada", "resume", "images"),
    ]


async def test_a_drain_gives_up_in_time_and_leaves_the_queue_paused(
    hive: Hive, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await database.execute(
        "insert into hive.lease (id, queen_id, queue, task_ids, open, expires_at)"
        " values (gen_random_uuid(), gen_random_uuid(), 'images', '{1}', 1, now())"
    )
    with pytest.raises(TimeoutError):
        await hive.drain_queue("images", within=timedelta(seconds=0.5))
    assert not await hive.pause_queue("images")
    with pytest.raises(UsageError, match="within is a timedelta"):
        await hive.drain_queue("images", within=1)  # pyright: ignore[reportArgumentType]


async def test_tasks_are_moved_while_nobody_has_them(hive: Hive) -> None:
    first, second = await hive.submit_many([TRUE, TRUE])
    assert await hive.move(first, queue="slow") == [first]
    assert (await hive.show(first)).queue == "slow"
    assert (await hive.show(second)).queue == "default"
    with pytest.raises(UsageError, match="a queue is 1 to 200"):
        await hive.move(second, queue="a b")


def test_without_asyncio_it_is_the_same(database_url: str, redis_url: str) -> None:
    with SyncHive.connect(database_url, redis_url) as hive:
        hive.set_limit(AGENTS)
        [used] = hive.limits()
        assert (used.limit, used.running, used.held_up) == (AGENTS, 0, 0)
        assert hive.remove_limit(LimitScope.KIND, "agent")
        [task_id] = hive.submit_many([TRUE])
        assert hive.move(task_id, queue="slow") == [task_id]
        assert hive.pause_queue("slow")
        hive.drain_queue("slow")
        assert hive.resume_queue("slow")
