"""The whole worker: from a bundle in Redis to a result in Postgres, whatever comes in between."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from asyncpg import Connection
from redis.asyncio import Redis

from hive_bus.bus import Bus
from hive_contracts.bundles import Bundle
from hive_contracts.events import CancelRequest
from hive_contracts.execution import Attempt, Tools
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import Succeeded
from hive_contracts.states import TaskState
from hive_contracts.tasks import TaskRecord
from hive_dispatch.sender import BundleSender
from hive_store import FleetStore, migrate, open_line
from hive_telemetry.metrics import Metrics
from hive_testkit.ground import Ground, open_ground
from hive_testkit.plugin import OwnServer
from hive_testkit.trial import Gate, NoSpawner, Stage
from hive_testkit.waiting import until
from hive_worker.settings import WorkerSettings
from hive_worker.worker import Worker, open_worker

LIVING = timedelta(seconds=15)
SELDOM: dict[str, Any] = {"slots": 2}
OFTEN: dict[str, Any] = {
    "slots": 2,
    "lease_seconds": 1.5,
    "heartbeat_seconds": 0.2,
    "lease_margin_seconds": 0.4,
}


@dataclass
class Scene:
    """A worker at work, and everybody around it."""

    ground: Ground
    worker: Worker
    redis_url: str
    metrics: Metrics
    stage: Stage = field(default_factory=Stage)
    working: "asyncio.Task[None] | None" = None

    async def send(self, *bundles: Bundle) -> None:
        async with BundleSender(self.redis_url, "trial") as sender:
            await sender.send(bundles, ttl_seconds=15)

    async def submit(self, count: int, **options: Any) -> list[TaskId]:
        """Submit tasks, and send them in one bundle."""
        task_ids = await self.ground.submit(count, **options)
        await self.send(await self.ground.claim(count))
        return task_ids

    async def read(self, task_id: TaskId) -> TaskRecord:
        return await self.ground.tasks.read(task_id)

    async def until_all(self, state: TaskState, count: int) -> None:
        async def are_all() -> bool:
            return await self.ground.tasks.count() == {"default": {state: count}}

        await until(are_all)

    async def wait_until_left(self, *, within_seconds: float) -> None:
        assert self.working is not None
        async with asyncio.timeout(within_seconds):
            await self.working


@asynccontextmanager
async def at_work(
    ground: Ground, database_url: str, redis_url: str, **settings: Any
) -> AsyncGenerator[Scene]:
    stage, metrics = Stage(), Metrics()
    async with (
        asyncio.timeout(40),
        open_worker(
            database_url=database_url,
            redis_url=redis_url,
            redis_prefix="trial",
            tools=Tools(spawner=NoSpawner(), settings=(stage,)),
            settings=WorkerSettings(**settings),
            metrics=metrics,
            version="0",
        ) as worker,
        asyncio.TaskGroup() as group,
    ):
        scene = Scene(ground, worker, redis_url, metrics, stage)
        scene.working = group.create_task(worker.run())
        yield scene
        scene.working.cancel()


AtWork = Callable[..., AbstractAsyncContextManager[Scene]]


@pytest.fixture
def start_work(ground: Ground, database_url: str, redis_url: str, trial_kind: None) -> AtWork:
    """Start a worker over the session's servers."""
    return partial(at_work, ground, database_url, redis_url)


async def test_a_bundle_is_run_to_its_end(start_work: AtWork) -> None:
    async with start_work(**SELDOM) as scene:
        await scene.submit(50)
        await scene.until_all(TaskState.SUCCEEDED, 50)
        assert await scene.ground.tasks.count_orphans() == 0
        assert scene.metrics.value("hive_worker_last_heartbeat_timestamp_seconds") is not None


async def test_what_the_bus_and_the_receivers_count_can_be_scraped(start_work: AtWork) -> None:
    def counted(name: str, **labels: str) -> float | None:
        return scene.metrics.value(f"hive_{name}_total", **labels)

    client_class: Any = Redis  # redis-py leaves its options untyped
    async with start_work(**SELDOM) as scene, client_class.from_url(scene.redis_url) as client:
        await scene.submit(1)
        await scene.until_all(TaskState.SUCCEEDED, 1)
        await until(lambda: (counted("events_published") or 0) > 0)
        assert counted("events_dropped") == 0
        await client.publish("trial:cancels", b"\xff from a newer Hive")
        await until(lambda: counted("bus_malformed") == 1)
        await client.psetex("arq:job:newer", 60_000, b"\xffnot a bundle")
        await client.zadd("trial:queue:default", {"newer": 1})
        await until(lambda: counted("bundles_malformed", queue="default") == 1)
        assert counted("bundles_lapsing", queue="default") == 0


async def test_no_more_run_at_once_than_there_are_slots(start_work: AtWork) -> None:
    async with start_work(**SELDOM) as scene:
        scene.stage.play = gate = Gate()
        await scene.submit(6)
        await until(lambda: gate.inside == 2)
        gate.open()
        await scene.until_all(TaskState.SUCCEEDED, 6)
        assert gate.most_inside == 2


async def test_a_bundle_that_comes_twice_runs_once(start_work: AtWork) -> None:
    async with start_work(**SELDOM) as scene:
        await scene.ground.submit(3)
        bundle = await scene.ground.claim(3)
        await scene.send(bundle, bundle)
        await scene.until_all(TaskState.SUCCEEDED, 3)
        await scene.send(bundle)
        await scene.submit(1)
        await scene.until_all(TaskState.SUCCEEDED, 4)
        assert len(scene.stage.seen) == 4


async def test_a_long_attempt_is_shown_as_running_with_its_worker(start_work: AtWork) -> None:
    async with start_work(**SELDOM) as scene:
        scene.stage.play = gate = Gate()
        [task_id] = await scene.submit(1)
        await scene.until_all(TaskState.RUNNING, 1)
        record = await scene.read(task_id)
        assert record.worker_pid == os.getpid()
        assert record.started_at is not None
        gate.open()


async def test_a_cancelled_task_is_stopped_at_once_when_the_bus_says_so(
    start_work: AtWork,
) -> None:
    async with start_work(**SELDOM) as scene, Bus.open(scene.redis_url, prefix="trial") as bus:
        scene.stage.play = gate = Gate()
        [task_id] = await scene.submit(1)
        await gate.entered.wait()
        await scene.ground.tasks.cancel([task_id])
        await bus.publish(CancelRequest((task_id,)))
        await until(lambda: gate.inside == 0, within_seconds=2)  # the heartbeat takes 5 seconds
        await scene.until_all(TaskState.CANCELLED, 1)


@pytest.mark.usefixtures("trial_kind")
async def test_a_cancelled_task_is_stopped_within_a_heartbeat_without_redis(
    ground: Ground, database_url: str, own_redis: OwnServer
) -> None:
    async with at_work(ground, database_url, own_redis.url, **OFTEN) as scene:
        scene.stage.play = gate = Gate()
        [task_id] = await scene.submit(1)
        await gate.entered.wait()
        await own_redis.kill()
        await scene.ground.tasks.cancel([task_id])
        await scene.until_all(TaskState.CANCELLED, 1)
        assert gate.inside == 0


async def test_what_was_reaped_is_stopped_and_its_result_is_refused(
    start_work: AtWork, database: "Connection[Any]"
) -> None:
    async with start_work(**OFTEN) as scene:
        scene.stage.play = gate = Gate()
        [task_id] = await scene.submit(1)
        await scene.until_all(TaskState.RUNNING, 1)
        while not await scene.ground.queen.reap(batch_size=1):
            await database.execute("update hive.lease set expires_at = now() - interval '1 s'")
        await until(lambda: gate.inside == 0)
        await until(lambda: scene.metrics.value("hive_stale_writes_total") == 1)
        record = await scene.read(task_id)
        assert (record.state, record.losses) == (TaskState.QUEUED, 1)


async def test_an_attempt_whose_late_start_is_refused_is_stopped(
    start_work: AtWork, database: "Connection[Any]"
) -> None:
    async with start_work(slots=2, late_start_seconds=0.5) as scene:
        scene.stage.play = gate = Gate()
        [task_id] = await scene.submit(1)
        await gate.entered.wait()
        await database.execute("update hive.lease set expires_at = now() - interval '1 s'")
        await until(lambda: gate.inside == 0, within_seconds=3)
        await scene.until_all(TaskState.QUEUED, 1)
        assert (await scene.read(task_id)).history[0].error == "its lease is gone"


async def test_a_fault_that_nobody_understands_ends_the_worker(
    start_work: AtWork, database: "Connection[Any]"
) -> None:
    await database.execute("drop table hive.worker")

    async def work_until_it_ends() -> None:
        async with start_work(**OFTEN) as scene:
            assert scene.working is not None
            await asyncio.wait([scene.working])

    with pytest.raises(ExceptionGroup):
        await work_until_it_ends()


async def test_a_drain_lets_what_runs_finish(start_work: AtWork) -> None:
    async with start_work(**SELDOM) as scene:
        scene.stage.play = gate = Gate()
        await scene.submit(2)
        await until(lambda: gate.inside == 2)
        scene.worker.drain.ask()
        await scene.worker.drain.wait_until_asked()
        gate.open()
        await scene.wait_until_left(within_seconds=5)
        await scene.until_all(TaskState.SUCCEEDED, 2)


async def test_a_drain_gives_back_what_waits_at_once_and_what_runs_after_the_grace(
    start_work: AtWork,
) -> None:
    async with start_work(slots=2, grace_seconds=0.5) as scene:
        scene.stage.play = gate = Gate()
        task_ids = await scene.submit(5)
        await until(lambda: gate.inside == 2)
        scene.worker.drain.ask()

        async def are_three_back() -> bool:
            return (await scene.ground.tasks.count())["default"].get(TaskState.QUEUED) == 3

        await until(are_three_back, within_seconds=2)
        assert gate.inside == 2
        await scene.wait_until_left(within_seconds=5)
        await scene.until_all(TaskState.QUEUED, 5)
        records = [await scene.read(task_id) for task_id in task_ids]
        assert {(r.failures, r.losses, r.attempt) for r in records} == {(0, 0, 0)}
        assert {r.history[0].error for r in records} == {"its worker was told to stop"}


async def test_a_second_request_to_stop_does_not_wait_for_the_grace(start_work: AtWork) -> None:
    async with start_work(slots=2, grace_seconds=30) as scene:
        scene.stage.play = gate = Gate()
        await scene.submit(2)
        await until(lambda: gate.inside == 2)
        scene.worker.drain.ask()
        scene.worker.drain.ask()
        await scene.wait_until_left(within_seconds=5)
        await scene.until_all(TaskState.QUEUED, 2)


async def test_a_bundle_that_is_taken_while_draining_goes_back(start_work: AtWork) -> None:
    async with start_work(**SELDOM) as scene:
        bundles = [await scene.ground.bundle(1) for _ in range(20)]
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(scene.send(*bundles))
            await until(lambda: bool(scene.stage.seen) or sending.done())
            scene.worker.drain.ask()
        await scene.wait_until_left(within_seconds=5)
        rows = await scene.ground.queen.own_leases(living=LIVING)
        assert all(row.is_unaccepted for row in rows)


async def test_a_worker_that_has_left_is_seen_no_more(
    start_work: AtWork, database_url: str
) -> None:
    async with open_line(database_url) as line:
        fleet = FleetStore(line)
        async with start_work(**SELDOM) as scene:
            await scene.worker.proof.wait()
            [seen] = await fleet.workers(seen_within=timedelta(minutes=1))
            assert seen.pid == os.getpid()
            scene.worker.drain.ask()
            await scene.wait_until_left(within_seconds=5)
        assert await fleet.workers(seen_within=timedelta(minutes=1)) == []


@pytest.mark.usefixtures("trial_kind")
async def test_without_postgres_attempts_stop_before_the_lease_and_go_back_uncounted(
    own_postgres: OwnServer, redis_url: str
) -> None:
    await migrate(own_postgres.url)
    loop = asyncio.get_running_loop()
    async with (
        open_ground(own_postgres.url) as ground,
        at_work(ground, own_postgres.url, redis_url, **OFTEN) as scene,
    ):
        scene.stage.play = gate = Gate()
        task_ids = await scene.submit(2)
        await scene.until_all(TaskState.RUNNING, 2)
        stopped_at = loop.time()
        await own_postgres.stop()
        await until(lambda: gate.inside == 0)
        assert loop.time() - stopped_at < 1.5
        scene.stage.play = succeed_quickly
        await own_postgres.start()
        await scene.until_all(TaskState.QUEUED, 2)
        records = [await scene.read(task_id) for task_id in task_ids]
        assert {(r.failures, r.losses, r.attempt) for r in records} == {(0, 0, 0)}
        await scene.send(await scene.ground.claim(2))
        await scene.until_all(TaskState.SUCCEEDED, 2)


async def succeed_quickly(_: Attempt) -> Any:
    return Succeeded(None)


@pytest.mark.usefixtures("trial_kind")
async def test_a_frozen_postgres_is_noticed_in_time(
    own_postgres: OwnServer, redis_url: str
) -> None:
    await migrate(own_postgres.url)
    async with (
        open_ground(own_postgres.url) as ground,
        at_work(ground, own_postgres.url, redis_url, **OFTEN) as scene,
    ):
        scene.stage.play = gate = Gate()
        await scene.submit(1)
        await scene.until_all(TaskState.RUNNING, 1)
        own_postgres.pause()
        await until(lambda: gate.inside == 0, within_seconds=1.5)
        own_postgres.resume()
        await scene.until_all(TaskState.QUEUED, 1)


@pytest.mark.usefixtures("trial_kind")
async def test_a_worker_leaves_also_while_postgres_is_away(
    own_postgres: OwnServer, redis_url: str
) -> None:
    await migrate(own_postgres.url)
    async with (
        open_ground(own_postgres.url) as ground,
        at_work(ground, own_postgres.url, redis_url, **OFTEN, grace_seconds=0) as scene,
    ):
        scene.stage.play = gate = Gate()
        await scene.submit(1)
        await gate.entered.wait()
        await own_postgres.stop()
        scene.worker.drain.ask()
        await scene.wait_until_left(within_seconds=6)
        assert gate.inside == 0
