"""Claim, send, recount: one queen with her permits and bundles, and a Redis that comes and goes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from asyncpg import Connection

from hive_contracts.bundles import Bundle
from hive_contracts.clocks import BootClock
from hive_contracts.errors import BusUnavailableError
from hive_contracts.ids import LeaseId, QueenId, WorkerId
from hive_contracts.limits import Limit, LimitScope
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_dispatch.receiver import BundleReceiver
from hive_dispatch.sender import BundleSender
from hive_queen.claimer import Claimer
from hive_queen.controls import Controls
from hive_queen.fleet import Fleet
from hive_queen.outbox import Outbox
from hive_queen.pacing import RunTimes
from hive_queen.permits import Permits
from hive_queen.reconciler import Reconciler
from hive_queen.settings import QueenSettings
from hive_store import Doorbell, HeartbeatStore, QueenStore, open_line
from hive_store.claiming import Watermarks
from hive_store.deeds import Actor
from hive_store.doorbell import News
from hive_store.worker_store import Ending
from hive_telemetry.metrics import Metrics
from hive_testkit.ground import Ground
from hive_testkit.plugin import OwnServer
from hive_testkit.waiting import until

LIVING = timedelta(seconds=15)
LEASE = timedelta(seconds=15)
QUICK = QueenSettings(poll_seconds=0.02)


class Scene:
    """The parts of one queen, to be ticked by hand, and a worker who only receives."""

    def __init__(
        self, store: QueenStore, sender: BundleSender, settings: QueenSettings = QUICK
    ) -> None:
        clock = BootClock()
        self.store = store
        self.metrics = Metrics()
        self.permits = Permits(clock)
        self.run_times = RunTimes()
        self.fleet = Fleet(
            store, self.permits, settings=settings, metrics=self.metrics, version="0"
        )
        self.outbox = Outbox(sender, store, self.permits, settings=settings)
        self.reconciler = Reconciler(
            store,
            self.permits,
            self.outbox,
            settings=settings,
            metrics=self.metrics,
            clock=clock,
        )
        self.controls = Controls(store, wake=lambda: None, settings=settings, metrics=self.metrics)
        self.claimer = Claimer(
            "default",
            store=store,
            permits=self.permits,
            fleet=self.fleet,
            controls=self.controls,
            outbox=self.outbox,
            run_times=self.run_times,
            settings=settings,
            metrics=self.metrics,
            clock=clock,
        )

    async def begin(self) -> None:
        """See who lives, and find Redis."""
        await self.fleet.tick()
        await self.reconciler.tick()

    async def open_in_rows(self) -> int:
        return sum(lease.open for lease in await self.store.own_leases(living=LIVING))


@asynccontextmanager
async def open_scene(
    database_url: str, redis_url: str, settings: QueenSettings = QUICK
) -> AsyncGenerator[Scene]:
    async with AsyncExitStack() as stack:
        claims = await stack.enter_async_context(open_line(database_url))
        upkeep = await stack.enter_async_context(open_line(database_url))
        sender = await stack.enter_async_context(BundleSender(redis_url, "trial"))
        await stack.enter_async_context(asyncio.timeout(20))
        store = QueenStore(QueenId(uuid4()), claims=claims, upkeep=upkeep)
        yield Scene(store, sender, settings)


@pytest.fixture
async def scene(database_url: str, redis_url: str) -> AsyncGenerator[Scene]:
    async with open_scene(database_url, redis_url) as scene:
        yield scene


async def enlist(database_url: str, *queues: str, slots: int = 4) -> None:
    """Have a worker say that it lives."""
    async with open_line(database_url) as line:
        await HeartbeatStore(WorkerId(uuid4()), line).see(
            host="here", pid=1, version="0", queues=queues, slots=slots, is_draining=False
        )


@asynccontextmanager
async def receiving(redis_url: str) -> AsyncGenerator[list[Bundle]]:
    """Receive every bundle, and accept none."""
    received: list[Bundle] = []

    async def accept(bundle: Bundle) -> None:
        received.append(bundle)

    async def wait_for_room() -> int:
        return 100

    receiver = BundleReceiver(
        redis_url, "trial", "default", accept=accept, wait_for_room=wait_for_room, max_bundles=100
    )
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running = group.create_task(receiver.run())
        yield received
        running.cancel()


async def test_no_more_is_claimed_than_there_are_slots_and_each_task_alone(
    scene: Scene, ground: Ground, database_url: str, redis_url: str
) -> None:
    await enlist(database_url, "default", slots=4)
    await ground.submit(10)
    await scene.begin()
    await scene.claimer.tick()
    assert scene.permits.held == await scene.open_in_rows() == 4
    async with receiving(redis_url) as received:
        await until(lambda: len(received) == 4)
    assert {bundle.size for bundle in received} == {1}
    assert scene.metrics.value("hive_claimed_tasks_total") == 4


async def test_a_claim_waits_while_all_permits_are_held(
    scene: Scene, ground: Ground, database_url: str
) -> None:
    await enlist(database_url, "default", slots=2)
    await ground.submit(3)
    await scene.begin()
    await scene.claimer.tick()
    async with asyncio.TaskGroup() as group:
        claiming = group.create_task(scene.claimer.tick())
        await asyncio.sleep(0.05)
        assert not claiming.done()
        [first, _] = await scene.store.own_leases(living=LIVING)
        scene.permits.shrink(first.id, 0)
    assert scene.metrics.value("hive_claimed_tasks_total") == 3


async def test_what_is_known_to_be_short_goes_out_in_bundles_ahead_of_slots(
    scene: Scene, ground: Ground, database_url: str
) -> None:
    await enlist(database_url, "default", slots=4)
    await ground.submit(200)
    await scene.begin()
    scene.run_times.observe({"trial": (100, 0.1)})
    scene.run_times.claimed("default", ["trial"])
    await scene.claimer.tick()
    leases = await scene.store.own_leases(living=LIVING)
    assert sum(lease.open for lease in leases) == 200
    assert len(leases) == 1


async def test_an_urgent_task_overtakes(
    scene: Scene, ground: Ground, database_url: str, redis_url: str
) -> None:
    await enlist(database_url, "default", slots=1)
    await ground.submit(5, priority=100)
    [urgent] = await ground.submit(1, priority=1)
    await scene.begin()
    await scene.claimer.tick()
    assert (await ground.tasks.read(urgent)).state is TaskState.DISPATCHED


async def test_a_task_that_returns_is_not_hidden_behind_the_watermark(
    scene: Scene, ground: Ground, database_url: str, redis_url: str
) -> None:
    await enlist(database_url, "default", slots=2)
    [first, *_] = await ground.submit(6)
    await scene.begin()
    await scene.claimer.tick()
    leases = await scene.store.own_leases(living=LIVING)
    await scene.store.release([lease.id for lease in leases], reason="a test")
    for lease in leases:
        scene.permits.shrink(lease.id, 0)
    scene.claimer.wake(is_behind=True)
    await scene.claimer.tick()
    assert (await ground.tasks.read(first)).state is TaskState.DISPATCHED


async def test_a_queue_that_a_claim_has_emptied_is_asked_again_when_woken_and_not_before(
    database_url: str, redis_url: str, ground: Ground
) -> None:
    await enlist(database_url, "default", slots=4)
    await ground.submit(1)
    patient = QueenSettings(poll_seconds=30, lease_seconds=100)
    async with open_scene(database_url, redis_url, patient) as scene:
        scene.reconciler.missed.set()
        await scene.fleet.tick()
        async with asyncio.TaskGroup() as group:
            reconciling = group.create_task(scene.reconciler.tick())
            await scene.claimer.tick()
            assert scene.permits.held == 1
            for held in 1, 2:
                claiming = group.create_task(scene.claimer.tick())
                for _ in range(5):
                    await asyncio.sleep(0)
                assert scene.metrics.value("hive_claims_total") == held
                assert not claiming.done()
                await ground.submit(1)
                scene.claimer.wake()
                await claiming
                assert scene.permits.held == held + 1
            scene.reconciler.missed.set()
            await reconciling


async def test_while_redis_is_away_tasks_go_back_uncounted_and_nothing_starts(
    database_url: str, ground: Ground, own_redis: OwnServer
) -> None:
    await enlist(database_url, "default", slots=2)
    async with open_scene(database_url, own_redis.url) as scene, asyncio.TaskGroup() as group:
        await scene.begin()
        await own_redis.kill()
        [task_id] = await ground.submit(1)
        with pytest.raises(BusUnavailableError):
            await scene.claimer.tick()
        record = await ground.tasks.read(task_id)
        assert (record.state, record.attempt, record.failures) == (TaskState.QUEUED, 0, 0)
        claiming = group.create_task(scene.claimer.tick())
        with pytest.raises(BusUnavailableError):
            await scene.reconciler.tick()
        assert not claiming.done()
        await own_redis.start()
        await scene.reconciler.tick()
        await claiming
        assert (await ground.tasks.read(task_id)).state is TaskState.DISPATCHED
        assert scene.permits.held == 1


async def test_after_a_flush_bundles_that_nobody_accepted_are_sent_again(
    scene: Scene, ground: Ground, database_url: str, redis_url: str, redis_server: str
) -> None:
    await enlist(database_url, "default", slots=3)
    await ground.submit(3)
    await scene.begin()
    await scene.claimer.tick()
    [accepted, *_] = await scene.store.own_leases(living=LIVING)
    await ground.worker.accept([accepted.id], lease=LEASE)
    await flush(redis_url)
    await scene.reconciler.tick()
    async with receiving(redis_url) as received:
        await until(lambda: len(received) == 2)
    assert accepted.id not in {bundle.lease_id for bundle in received}


async def flush(redis_url: str) -> None:
    reader, writer = await asyncio.open_unix_connection(urlsplit(redis_url).path)
    writer.write(b"FLUSHALL\r\n")
    assert await reader.readline() == b"+OK\r\n"
    writer.close()
    await writer.wait_closed()


async def test_a_flush_is_made_good_also_when_the_first_sending_again_fails(
    database_url: str, ground: Ground, own_redis: OwnServer
) -> None:
    await enlist(database_url, "default", slots=1)
    await ground.submit(1)
    async with open_line(database_url) as line, FailingSender(own_redis.url, "trial") as sender:
        scene = Scene(QueenStore(QueenId(uuid4()), claims=line, upkeep=line), sender)
        await scene.begin()
        await scene.claimer.tick()
        await flush(own_redis.url)
        sender.failures = 1
        with pytest.raises(BusUnavailableError):
            await scene.reconciler.tick()
        await scene.reconciler.tick()
        async with receiving(own_redis.url) as received:
            await until(lambda: len(received) == 1)


class FailingSender(BundleSender):
    """The real sender, over a line that breaks when it is told to."""

    failures = 0

    async def send(self, bundles: Any, *, ttl_seconds: float) -> None:
        if self.failures:
            self.failures -= 1
            raise BusUnavailableError("the line broke")
        await super().send(bundles, ttl_seconds=ttl_seconds)


async def test_a_claim_whose_answer_was_lost_is_sent_by_the_recount(
    scene: Scene, ground: Ground, database_url: str, redis_url: str
) -> None:
    await enlist(database_url, "default", slots=4)
    await ground.submit(3)
    await scene.begin()
    await scene.store.claim(
        "default",
        limit=3,
        lease=LEASE,
        bundle_size=3,
        worker_count=1,
        watermarks=Watermarks(),
    )
    assert scene.permits.held == 0
    await scene.reconciler.tick()
    assert scene.permits.held == 3
    async with receiving(redis_url) as received:
        await until(lambda: len(received) == 1)
    assert received[0].size == 3


async def test_a_recount_makes_good_what_a_lost_hint_kept(
    scene: Scene, ground: Ground, database_url: str, database: "Connection[Any]"
) -> None:
    await enlist(database_url, "default", slots=2)
    await ground.submit(2)
    await scene.begin()
    await scene.claimer.tick()
    leases = await scene.store.own_leases(living=LIVING)
    await scene.store.release([lease.id for lease in leases], reason="nobody hears of it")
    assert scene.permits.held == 2
    await scene.reconciler.tick()
    assert scene.permits.held == 0


async def test_permits_follow_the_living_workers_and_are_shared_by_living_queens(
    scene: Scene, database_url: str, redis_url: str, database: "Connection[Any]"
) -> None:
    await enlist(database_url, "default", "side", slots=4)
    await enlist(database_url, "default", slots=6)
    seen: list[str] = []
    scene.fleet.on_queue = seen.append
    await scene.fleet.tick()
    assert (scene.fleet.share_of("default"), scene.fleet.workers_of("default")) == (10, 2)
    assert (scene.fleet.share_of("side"), scene.fleet.share_of("elsewhere")) == (4, 0)
    assert set(seen) == {"default", "side"}
    async with open_scene(database_url, redis_url) as another:
        await another.fleet.tick()
        await scene.fleet.tick()
        assert (scene.fleet.share_of("default"), another.fleet.share_of("default")) == (5, 5)
        await another.store.leave()
    await scene.fleet.tick()
    assert scene.fleet.share_of("default") == 10
    await database.execute("update hive.worker set seen_at = now() - interval '1 hour'")
    await scene.fleet.tick()
    assert scene.permits.size == 0


async def test_queens_share_tasks_and_slots_without_doubling_over_many_cycles(
    scene: Scene, ground: Ground, database_url: str, redis_url: str
) -> None:
    await enlist(database_url, "default", slots=4)
    await ground.submit(40)
    cycles = 0
    async with open_scene(database_url, redis_url) as another:
        for queen in (scene, another, scene):
            await queen.begin()
        while TaskState.QUEUED in (await ground.tasks.count())["default"]:
            cycles += 1
            async with asyncio.TaskGroup() as group:
                for queen in (scene, another):
                    group.create_task(queen.claimer.tick())
            leases = [
                *await scene.store.own_leases(living=LIVING),
                *await another.store.own_leases(living=LIVING),
            ]
            assert len({lease.id for lease in leases}) == len(leases)
            assert sum(lease.open for lease in leases) <= 4
            for queen in (scene, another):
                for lease in await queen.store.own_leases(living=LIVING):
                    await end_lease(ground, lease.id)
                await queen.reconciler.tick()
    assert cycles >= 10
    assert await ground.tasks.count() == {"default": {TaskState.SUCCEEDED: 40}}


async def end_lease(ground: Ground, lease_id: LeaseId) -> None:
    """Do as a worker does whose tasks succeed."""
    await ground.worker.accept([lease_id], lease=LEASE)
    await ground.worker.finish(
        [
            Ending(
                task_id=leased.task.id,
                lease_id=lease_id,
                move=Move.SUCCEED,
                outcome=OutcomeName.SUCCEEDED,
            )
            for leased in await ground.worker.read([lease_id])
        ]
    )


async def test_a_claimer_keeps_to_limits_and_goes_on_as_soon_as_one_has_room(
    scene: Scene, ground: Ground, database_url: str
) -> None:
    await enlist(database_url, "default", slots=4)
    controls = ground.tasks.controls_of(Actor("ada", "here"))
    await controls.set_limit(Limit(scope=LimitScope.KIND, target="trial", max_running=2))
    first, second, third = await ground.submit(3)
    other = (await ground.submit(1, kind="call"))[0]
    await scene.begin()
    await scene.controls.tick()
    await scene.claimer.tick()
    while await ground.queen.count_open() and scene.permits.held < 3:
        await scene.claimer.tick()
    states = await ground.tasks.states([first, second, third, other])
    assert states[third] is TaskState.BLOCKED
    assert {states[first], states[second], states[other]} == {TaskState.DISPATCHED}
    leases = await scene.store.own_leases(living=LIVING)
    await scene.store.release([leases[0].id], reason="a test")
    scene.permits.shrink(leases[0].id, 0)
    scene.claimer.wake_if_held_up()
    await scene.claimer.tick()
    assert scene.permits.held == 3


async def test_a_queen_hears_of_limits_and_lets_go_what_waits_for_none(
    scene: Scene, ground: Ground
) -> None:
    controls = ground.tasks.controls_of(Actor("ada", "here"))
    await controls.set_limit(Limit(scope=LimitScope.QUEUE, target="images", max_running=2))
    await scene.controls.tick()
    assert scene.controls.limits("images")
    assert not scene.controls.limits("default")
    await controls.remove_limit(LimitScope.QUEUE, "images")
    await scene.controls.tick()
    assert not scene.controls.limits("images")


async def test_the_bell_tells_for_whom_it_rings(database_url: str, ground: Ground) -> None:
    async with Doorbell.open(database_url) as bell:
        await bell.listen()
        await bell.wait(seconds=10)
        assert bell.take_news() == set(News)
        first = await ground.submit(1)
        assert await bell.wait(seconds=10)
        assert not bell.take_news() & set(News)
        limit = Limit(scope=LimitScope.KIND, target="trial", max_running=2)
        await ground.tasks.controls_of(Actor("ada", "here")).set_limit(limit)
        assert await bell.wait(seconds=10)
        assert bell.take_news() & set(News) == {News.CONTROLS}
        await ground.submit(1, key="a")
        assert await bell.wait(seconds=10)
        assert bell.take_news() & set(News) == {News.WAITING}
        await ground.submit(1, after=first)
        assert await bell.wait(seconds=10)
        assert bell.take_news() & set(News) == {News.WAITING}
