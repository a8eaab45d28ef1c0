"""The queen's walks over finished tasks: only with the term, batch by batch, with pauses."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from asyncpg import Connection, connect

from hive_contracts.retaining import Retention
from hive_queen.retaining import LATEST_COMMIT_SECONDS, WALK_SECONDS, Retainer
from hive_store import open_line
from hive_store.pruning import Pruner
from hive_telemetry.metrics import Metrics
from hive_testkit.clocks import ManualClock

ADD = (
    "insert into hive.task (kind, state, created_at, finished_at)"
    " select 'x', 'succeeded', now() - $2::interval, now() - $2::interval"
    " from generate_series(1, $1)"
)


class Scene:
    """A retainer of one queen, ticked by hand."""

    def __init__(self, pruner: Pruner, database: "Connection[Any]") -> None:
        self.has_term = True
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.database = database
        self.retainer = Retainer(
            pruner,
            Retention(),
            is_due=lambda: self.has_term,
            metrics=self.metrics,
            clock=self.clock,
        )

    async def add(self, count: int, *, days: float) -> None:
        await self.database.execute(ADD, count, timedelta(days=days))

    async def count(self) -> int:
        return await self.database.fetchval("select count(*) from hive.task")

    async def walk(self) -> int:
        """Tick to the end of a walk; return how many batches it took."""
        batches = 1
        while await self.retainer.tick() != WALK_SECONDS:
            batches += 1
        return batches


@pytest.fixture
async def scene(database_url: str, database: "Connection[Any]") -> AsyncGenerator[Scene]:
    async with open_line(database_url) as line:
        yield Scene(Pruner(line), database)


async def test_what_is_due_leaves_and_is_counted(scene: Scene) -> None:
    await scene.add(5, days=8)
    await scene.add(2, days=3)
    assert await scene.walk() == 1
    assert await scene.count() == 2
    labels = {"queue": "default", "state": "succeeded"}
    assert scene.metrics.value("hive_tasks_pruned_total", **labels) == 5
    assert scene.metrics.value("hive_retention_behind_seconds") == 0
    oldest = scene.metrics.value("hive_oldest_finished_task_timestamp_seconds")
    now = await scene.database.fetchval("select extract(epoch from clock_timestamp())::float8")
    assert oldest is not None
    assert 3 * 86400 <= now - oldest < 4 * 86400


async def test_a_walk_over_many_pauses_after_each_batch_and_says_how_late_it_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_store.pruning.LOOK_TASKS", 4)
    await scene.add(10, days=8)
    pause_seconds = await scene.retainer.tick()
    assert 0 < pause_seconds < WALK_SECONDS
    assert await scene.count() == 6
    behind = scene.metrics.value("hive_retention_behind_seconds")
    assert behind is not None
    assert 86400 <= behind < 2 * 86400
    assert await scene.walk() == 2
    assert scene.metrics.value("hive_retention_behind_seconds") == 0


async def test_a_queen_without_the_term_deletes_and_shows_nothing(scene: Scene) -> None:
    await scene.add(3, days=3)
    await scene.walk()
    await scene.add(3, days=8)
    scene.has_term = False
    await scene.retainer.tick()
    assert await scene.count() == 6
    assert scene.metrics.value("hive_retention_behind_seconds") is None
    assert scene.metrics.value("hive_oldest_finished_task_timestamp_seconds") is None


async def test_a_walk_steps_over_what_had_gone_an_hour_ago_and_no_later(scene: Scene) -> None:
    await scene.add(2, days=8)
    [late] = await scene.database.fetch(
        "select nextval(pg_get_serial_sequence('hive.task', 'id')) as id"
    )
    await scene.add(1, days=3)
    await scene.walk()
    add_late = (
        "insert into hive.task (id, kind, state, created_at, finished_at) overriding system value"
        " values ($1, 'x', 'succeeded', now() - interval '9 days', now() - interval '9 days')"
    )
    # Its transaction took its id before, and commits only now.
    await scene.database.execute(add_late, late["id"])
    scene.clock.pass_seconds(LATEST_COMMIT_SECONDS - 1)
    await scene.walk()
    assert await scene.count() == 1
    scene.clock.pass_seconds(LATEST_COMMIT_SECONDS)
    await scene.walk()
    await scene.database.execute(add_late, late["id"])
    await scene.walk()
    assert await scene.count() == 2, "nobody looks there any more, but a queen who takes over"
    scene.has_term = False
    await scene.retainer.tick()
    scene.has_term = True
    await scene.walk()
    assert await scene.count() == 1


async def test_a_batch_that_is_killed_has_deleted_all_of_its_tasks_or_none(
    scene: Scene, database_url: str
) -> None:
    """As when the queen is killed: her connection goes while a batch is under way."""
    await scene.add(50, days=8)
    await scene.database.execute(
        "insert into hive.output (task_id, claim, stream, position, data)"
        " select id, 1, 'stdout', 0, 'said' from hive.task;"
        "create function hive.fall() returns trigger language plpgsql as"
        " $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;"
        "create trigger fall after delete on hive.output"
        " for each statement execute function hive.fall()"
    )
    with pytest.raises(Exception, match=r"did not answer|was lost"):
        await scene.retainer.tick()
    other = await connect(database_url)
    try:
        assert await other.fetchval("select count(*) from hive.output") == 50
        assert await other.fetchval("select count(*) from hive.task") == 50
        await other.execute("drop trigger fall on hive.output")
    finally:
        await other.close()
    await scene.walk()
    assert await scene.count() == 0
