"""Reap, sweep, and the duties of a term, ticked by hand."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from asyncpg import Connection, connect

from hive_bus.bus import Bus
from hive_contracts.errors import ConfigurationError, StoreUnavailableError
from hive_contracts.events import Event, EventFrame, EventType
from hive_contracts.ids import QueenId, TaskId
from hive_contracts.states import TaskState
from hive_queen.duties import Duties
from hive_queen.granter import Granter
from hive_queen.reaper import Reaper
from hive_queen.settings import QueenSettings
from hive_queen.sweeper import Sweeper
from hive_store import QueenStore, migrate, open_line
from hive_store.deeds import Actor
from hive_telemetry.metrics import Metrics
from hive_testkit.clocks import ManualClock
from hive_testkit.ground import Ground, open_ground
from hive_testkit.plugin import OwnServer
from hive_testkit.timing import pass_time

SETTINGS = QueenSettings(retry_batch=3)


class Scene:
    """A reaper, a sweeper and the duties of one queen."""

    def __init__(self, store: QueenStore, bus: Bus) -> None:
        self.store = store
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.wakes = 0
        self.reaper = Reaper(
            store,
            bus,
            wake=self.wake,
            settings=SETTINGS,
            metrics=self.metrics,
            clock=self.clock,
        )
        self.sweeper = Sweeper(store, bus, wake=self.wake, settings=SETTINGS, metrics=self.metrics)
        self.duties = Duties(store, settings=SETTINGS, metrics=self.metrics, clock=self.clock)

    def wake(self) -> None:
        self.wakes += 1

    async def stay_in_touch(self, seconds: float) -> None:
        """Let time pass while the reaper ticks each second, as it does when all is well."""
        await self.reaper.tick()
        for _ in range(round(seconds)):
            self.clock.pass_seconds(1)
            await self.reaper.tick()


@pytest.fixture
async def bus(redis_url: str) -> AsyncGenerator[Bus]:
    async with Bus.open(redis_url) as bus:
        yield bus


@pytest.fixture
def scene(ground: Ground, bus: Bus) -> Scene:
    return Scene(ground.queen, bus)


async def started(ground: Ground, count: int, **options: Any) -> list[TaskId]:
    """Lease tasks in one bundle, and have their starts written."""
    leased = await ground.lease(count, **options)
    pairs = [(each.task.id, each.task.lease_id) for each in leased]
    await ground.worker.start(pairs)
    return [task_id for task_id, _ in pairs]


async def test_nothing_is_reaped_before_a_whole_lease_time_of_contact(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    [task_id] = await started(ground, 1)
    await pass_time(database, 60)
    await scene.stay_in_touch(14)
    assert (await ground.tasks.read(task_id)).state is TaskState.RUNNING
    await scene.stay_in_touch(1)
    assert (await ground.tasks.read(task_id)).state is TaskState.QUEUED
    assert scene.wakes == 1
    assert scene.metrics.value("hive_leases_expired_total", queue="default") == 1


async def test_a_queen_that_has_slept_waits_a_lease_time_again(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    await scene.stay_in_touch(20)
    [task_id] = await started(ground, 1)
    await pass_time(database, 60)
    scene.clock.pass_seconds(60)
    await scene.stay_in_touch(14)
    assert (await ground.tasks.read(task_id)).state is TaskState.RUNNING
    await scene.stay_in_touch(1)
    assert (await ground.tasks.read(task_id)).state is TaskState.QUEUED


async def test_after_an_outage_the_living_may_renew_before_anything_is_reaped(
    own_postgres: OwnServer, bus: Bus
) -> None:
    await migrate(own_postgres.url)
    async with open_ground(own_postgres.url) as ground:
        scene = Scene(ground.queen, bus)
        [task_id] = await started(ground, 1)
        await scene.stay_in_touch(15)
        await own_postgres.stop()
        with pytest.raises(StoreUnavailableError):
            await scene.reaper.tick()
        await own_postgres.start()
        async with open_line(own_postgres.url) as line:
            await line.fetch("count_orphans")
        await let_pass(own_postgres.url, 60)
        await scene.stay_in_touch(14)
        assert (await ground.tasks.read(task_id)).state is TaskState.RUNNING
        await scene.stay_in_touch(1)
        assert (await ground.tasks.read(task_id)).state is TaskState.QUEUED


async def let_pass(database_url: str, seconds: float) -> None:
    connection = await connect(database_url)
    try:
        await pass_time(connection, seconds)
    finally:
        await connection.close()


async def test_a_poison_task_fails_after_as_many_losses_as_it_may_have(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    [task_id] = await started(ground, 1, max_losses=2)
    await scene.stay_in_touch(15)
    for losses, state in ((1, TaskState.QUEUED), (2, TaskState.FAILED)):
        await pass_time(database, 60)
        await scene.reaper.tick()
        record = await ground.tasks.read(task_id)
        assert (record.losses, record.state, record.failures) == (losses, state, 0)
        if state is TaskState.QUEUED:
            bundle = await ground.claim(1)
            await ground.worker.accept([bundle.lease_id], lease=timedelta(seconds=15))
            await ground.worker.start([(task_id, bundle.lease_id)])
    assert record.error is not None
    assert "its worker was gone" in record.error


async def test_what_was_never_accepted_goes_back_uncounted(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    task_ids = await ground.submit(3)
    await ground.claim(3)
    await scene.stay_in_touch(15)
    await pass_time(database, 60)
    await scene.reaper.tick()
    records = await ground.tasks.read_many(task_ids)
    assert {(r.state, r.losses, r.failures, r.attempt) for r in records} == {
        (TaskState.QUEUED, 0, 0, 0)
    }


async def test_what_was_reaped_is_told(
    scene: Scene, ground: Ground, bus: Bus, database: "Connection[Any]"
) -> None:
    [lost] = await started(ground, 1)
    [poison] = await started(ground, 1, max_losses=1)
    [cancelled] = await started(ground, 1)
    [unstarted] = await ground.lease(1)
    await ground.tasks.cancel([cancelled])
    await scene.stay_in_touch(15)
    await pass_time(database, 60)
    async with asyncio.timeout(5), bus.subscribe(EventFrame) as frames:
        await scene.reaper.tick()
        frame = await anext(frames)
    assert isinstance(frame, EventFrame)
    assert set(frame.events) == {
        Event(type=EventType.LOST, task_ids=(lost,), attempts=(1,)),
        Event(type=EventType.FAILED, task_ids=(poison,), attempts=(1,)),
        Event(type=EventType.CANCELLED, task_ids=(cancelled,), attempts=(1,)),
        Event(type=EventType.RELEASED, task_ids=(unstarted.task.id,), attempts=(1,)),
    }


async def test_what_is_cancelled_for_what_it_comes_after_is_told(
    scene: Scene, ground: Ground, bus: Bus
) -> None:
    [parent] = await ground.submit(1)
    [child] = await ground.submit(1, after=(parent,))
    [grandchild] = await ground.submit(1, after=(child,))
    await ground.tasks.cancel([parent])
    granter = Granter(
        ground.queen,
        bus,
        wake=scene.wake,
        settings=QueenSettings(poll_seconds=0.01),
        metrics=Metrics(),
    )
    told: list[TaskId] = []
    async with asyncio.timeout(30), bus.subscribe(EventFrame) as frames:
        await granter.tick()
        async for frame in frames:
            assert isinstance(frame, EventFrame)
            told += [i for e in frame.events if e.type is EventType.CANCELLED for i in e.task_ids]
            if len(told) == 2:
                break
    assert told == [child, grandchild]


async def test_what_expires_is_told(scene: Scene, ground: Ground, bus: Bus) -> None:
    passed = datetime.now(UTC) - timedelta(seconds=1)
    [expired] = await ground.submit(1, expires_at=passed)
    await ground.submit(1)
    async with asyncio.timeout(30), bus.subscribe(EventFrame) as frames:
        await scene.sweeper.tick()
        frame = await anext(frames)
    assert isinstance(frame, EventFrame)
    assert set(frame.events) == {Event(type=EventType.CANCELLED, task_ids=(expired,))}


async def test_what_is_parked_is_counted_by_queue(scene: Scene, ground: Ground) -> None:
    parked = await ground.submit(2, queue="slow")
    await ground.submit(1, run_at=datetime.now(UTC) + timedelta(hours=1))
    await ground.tasks.park(parked, until=None, reason=None, by=Actor("ada", "desk"))
    await scene.duties.tick()
    assert scene.metrics.value("hive_tasks_parked", queue="slow") == 2
    assert scene.metrics.value("hive_tasks_parked", queue="default") is None


async def test_what_was_spent_long_ago_becomes_one_sum(
    scene: Scene, database: "Connection[Any]"
) -> None:
    await database.execute(
        "insert into hive.spent (day, queue, group_name, turns)"
        " select now() - make_interval(days => n), 'q', '', n from unnest(array[1, 33, 34]) n"
    )
    await scene.duties.tick()
    turns = await database.fetch("select turns from hive.spent order by day")
    assert [row["turns"] for row in turns] == [67, 1]


async def test_the_reaper_goes_on_at_once_while_there_is_more(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    await ground.submit(101)
    for _ in range(101):
        await ground.claim(1)
    await scene.stay_in_touch(15)
    await pass_time(database, 60)
    assert await scene.reaper.tick() == 0
    assert await scene.reaper.tick() == SETTINGS.poll_seconds


async def test_the_sweeper_wakes_when_the_next_task_falls_due(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    assert await scene.sweeper.tick() == SETTINGS.poll_seconds
    [task_id] = await ground.submit(1, run_at=datetime.now(UTC) + timedelta(seconds=0.8))
    pause_seconds = await scene.sweeper.tick()
    assert 0.1 < pause_seconds <= 0.8
    assert scene.wakes == 0
    await pass_time(database, pause_seconds)
    await scene.sweeper.tick()
    assert scene.wakes == 1
    assert (await ground.tasks.read(task_id)).state is TaskState.QUEUED


async def test_a_full_sweep_is_followed_by_another_at_once(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    await ground.submit(4, run_at=datetime.now(UTC) + timedelta(hours=1))
    assert await scene.sweeper.tick() == SETTINGS.poll_seconds
    await pass_time(database, 7200)
    assert await scene.sweeper.tick() == 0
    assert await scene.sweeper.tick() == SETTINGS.poll_seconds
    assert await ground.tasks.count() == {"default": {TaskState.QUEUED: 4}}


async def test_only_the_queen_with_the_term_shows_the_gauges(
    scene: Scene, ground: Ground, bus: Bus, database_url: str
) -> None:
    await ground.submit(2)
    async with open_line(database_url) as line:
        other = Scene(QueenStore(QueenId(uuid4()), claims=line, upkeep=line), bus)
        await scene.duties.tick()
        assert await other.duties.tick() == SETTINGS.term_seconds / 2
        assert scene.metrics.value("hive_tasks", queue="default", state="queued") == 2
        assert other.metrics.value("hive_tasks", queue="default", state="queued") is None
        await scene.store.leave()
        await other.duties.tick()
        await scene.duties.tick()
    assert other.metrics.value("hive_tasks", queue="default", state="queued") == 2
    assert scene.metrics.value("hive_tasks", queue="default", state="queued") is None


async def test_gauges_are_filled_again_when_they_are_due(scene: Scene, ground: Ground) -> None:
    await scene.duties.tick()
    await ground.submit(1)
    await scene.duties.tick()
    assert scene.metrics.value("hive_tasks", queue="default", state="queued") is None
    scene.clock.pass_seconds(5)
    await scene.duties.tick()
    assert scene.metrics.value("hive_tasks", queue="default", state="queued") == 1
    assert scene.metrics.value("hive_event_log_default_rows") == 0


async def test_what_is_called_off_before_anybody_had_it_is_counted_once(
    scene: Scene, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(queue: str) -> float | None:
        labels = {"queue": queue, "kind": "trial", "outcome": "cancelled"}
        return scene.metrics.value("hive_tasks_finished_total", **labels)

    # So few that one look at the log is not enough.
    monkeypatch.setattr("hive_queen.duties.EVENTS_AT_ONCE", 2)
    await ground.tasks.cancel(await ground.submit(1))
    await scene.duties.tick()
    assert counted("default") is None, "it was before this queen had the term"
    await ground.tasks.cancel(await ground.submit(5))
    await ground.tasks.cancel(await ground.submit(2, queue="other"))
    leased = await started(ground, 1)
    await ground.tasks.cancel(leased)
    for _ in range(2):
        scene.clock.pass_seconds(6)
        await scene.duties.tick()
        assert (counted("default"), counted("other")) == (5, 2)


async def test_days_of_the_log_are_made_and_dropped(
    scene: Scene, database: "Connection[Any]"
) -> None:
    tomorrow = f"event_{datetime.now(UTC) + timedelta(days=1):%Y%m%d}"
    await database.execute(f"drop table hive.{tomorrow}")
    await database.execute(
        "create table hive.event_20200101 partition of hive.event"
        " for values from ('2020-01-01') to ('2020-01-02')"
    )
    await scene.duties.tick()
    there = "select to_regclass('hive.' || $1) is not null"
    assert await database.fetchval(there, tomorrow)
    assert not await database.fetchval(there, "event_20200101")


async def test_a_reader_in_the_way_of_the_partitions_delays_nothing_else(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    await ground.submit(1)
    await database.execute(
        "create table hive.event_20200101 partition of hive.event"
        " for values from ('2020-01-01') to ('2020-01-02')"
    )
    async with database.transaction():
        await database.execute("lock table hive.event_20200101 in access share mode")
        with pytest.raises(StoreUnavailableError):
            await scene.duties.tick()
        assert scene.metrics.value("hive_tasks", queue="default", state="queued") == 1
    await scene.duties.tick()
    assert not await database.fetchval("select to_regclass('hive.event_20200101') is not null")


async def test_tasks_without_their_lease_are_shouted_about(
    scene: Scene,
    ground: Ground,
    database: "Connection[Any]",
    capsys: pytest.CaptureFixture[str],
) -> None:
    await ground.lease(1)
    await database.execute("delete from hive.lease")
    await scene.duties.tick()
    assert "no lease holds them" in capsys.readouterr().out


async def test_a_role_that_may_not_fold_sums_does_every_other_duty(
    scene: Scene, database: "Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its role may be of before this duty; what comes after it is done all the same."""
    await database.execute(
        "insert into hive.unique_key (key, task_id, at) values ('old', 1, '2020-01-01')"
    )

    async def refuse(*, keep_days: int, limit: int) -> None:
        raise ConfigurationError("permission denied for table spent")

    monkeypatch.setattr(scene.store, "fold_spent", refuse)
    await scene.duties.tick()
    assert await database.fetchval("select count(*) from hive.unique_key") == 0
