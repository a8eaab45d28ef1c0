"""The accepts of several bundles share a statement, and nothing is taken into hand twice."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from hive_contracts.bundles import Bundle
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import LeaseId, WorkerId
from hive_dispatch.bell_worker import BellWorker
from hive_dispatch.receiver import BundleReceiver
from hive_dispatch.sender import BundleSender
from hive_store import WorkerStore, open_line
from hive_store.worker_store import Accepted, LeasedTask
from hive_telemetry.metrics import Metrics
from hive_testkit.clocks import ManualClock
from hive_testkit.ground import Ground
from hive_testkit.plugin import OwnServer
from hive_testkit.waiting import until
from hive_worker.acceptor import Acceptor
from hive_worker.holdings import Holdings

LEASE = timedelta(seconds=15)


def redis_client(url: str) -> Any:
    client_class: Any = Redis  # redis-py leaves its options untyped
    return client_class.from_url(url)


class Scene:
    """An acceptor, and what it has put into the backlog."""

    def __init__(self, store: WorkerStore, clock: ManualClock | None = None) -> None:
        self.holdings = Holdings()
        self.put: list[LeasedTask] = []
        self.wide: list[tuple[LeasedTask, int]] = []
        self.metrics = Metrics()
        self.acceptor = Acceptor(
            store,
            self.holdings,
            put=self._put,
            lease=LEASE,
            margin_seconds=2,
            metrics=self.metrics,
            clock=clock or ManualClock(),
        )

    def _put(self, tasks: list[LeasedTask], /, *, slots: int = 1) -> None:
        if slots == 1:
            self.put.extend(tasks)
        else:
            self.wide.extend((task, slots) for task in tasks)

    @asynccontextmanager
    async def accepting(self, *bundles: Bundle) -> AsyncGenerator[None]:
        """Have bundles wait for the acceptor; afterwards every one of them has its answer."""
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for bundle in bundles:
                group.create_task(self.acceptor.accept(bundle))
            await asyncio.sleep(0)
            yield


class RushingClock(ManualClock):
    """Between any two looks at it, more than the margin passes."""

    def seconds(self) -> float:
        self.pass_seconds(2.5)
        return super().seconds()


class CountingStore(WorkerStore):
    """The real store; remembers how many leases each accept named."""

    sizes: tuple[int, ...] = ()

    async def accept(self, lease_ids: list[LeaseId], *, lease: timedelta) -> list[Accepted]:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.sizes += (len(lease_ids),)
        return await super().accept(lease_ids, lease=lease)


@pytest.fixture
async def counting_store(database_url: str) -> AsyncGenerator[CountingStore]:
    async with open_line(database_url) as line:
        yield CountingStore(WorkerId(uuid4()), accepts=line, finishes=line)


async def test_bundles_that_wait_together_are_accepted_in_one_statement(
    ground: Ground, counting_store: CountingStore
) -> None:
    scene = Scene(counting_store)
    bundles = [await ground.bundle(3) for _ in range(4)]
    async with scene.accepting(*bundles):
        await scene.acceptor.tick()
    assert counting_store.sizes == (4,)
    assert len(scene.put) == 12
    assert set(scene.holdings.lease_ids()) == {bundle.lease_id for bundle in bundles}


async def test_what_is_accepted_has_its_wait_counted(ground: Ground) -> None:
    scene = Scene(ground.worker)
    async with scene.accepting(await ground.bundle(3)):
        await scene.acceptor.tick()
    assert scene.metrics.value("hive_task_queue_wait_seconds_count", queue="default") == 3


async def test_a_bundle_that_comes_twice_is_put_once(ground: Ground) -> None:
    scene = Scene(ground.worker)
    bundle = await ground.bundle(2)
    async with scene.accepting(bundle, bundle):
        await scene.acceptor.tick()
    async with scene.accepting(bundle):
        await scene.acceptor.tick()
    assert len(scene.put) == 2


async def test_a_bundle_of_another_worker_does_nothing(
    ground: Ground, counting_store: CountingStore
) -> None:
    bundle = await ground.bundle(2)
    await counting_store.accept([bundle.lease_id], lease=LEASE)
    scene = Scene(ground.worker)
    async with scene.accepting(bundle):
        await scene.acceptor.tick()
    assert scene.put == []
    assert scene.holdings.lease_ids() == []


async def test_a_bundle_whose_lease_is_gone_does_nothing(ground: Ground) -> None:
    scene = Scene(ground.worker)
    async with scene.accepting(Bundle(lease_id=LeaseId(uuid4()), queue="default", size=1)):
        await scene.acceptor.tick()
    assert scene.put == []


async def test_what_was_accepted_too_slowly_is_left_to_lapse(ground: Ground) -> None:
    scene = Scene(ground.worker, RushingClock())
    async with scene.accepting(await ground.bundle(2)):
        await scene.acceptor.tick()
    assert scene.put == []
    assert scene.holdings.lease_ids() == []


async def test_a_receiver_that_is_cancelled_disturbs_no_other(ground: Ground) -> None:
    scene = Scene(ground.worker)
    bundle = await ground.bundle(1)
    async with scene.accepting(bundle), asyncio.TaskGroup() as group:
        impatient = group.create_task(scene.acceptor.accept(bundle))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        await scene.acceptor.tick()
    assert impatient.cancelled()
    assert len(scene.put) == 1


async def test_it_is_busy_until_what_came_is_accepted(ground: Ground) -> None:
    scene = Scene(ground.worker)
    assert not scene.acceptor.is_busy
    async with scene.accepting(await ground.bundle(1)):
        assert scene.acceptor.is_busy
        await scene.acceptor.tick()
        assert not scene.acceptor.is_busy


async def test_it_accepts_what_comes_while_it_runs(ground: Ground) -> None:
    scene = Scene(ground.worker)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(scene.acceptor.run())
        for count in (1, 2):
            await scene.acceptor.accept(await ground.bundle(1))
            assert len(scene.put) == count
        running.cancel()


async def test_while_postgres_is_away_every_receiver_hears_so(own_postgres: OwnServer) -> None:
    async with open_line(own_postgres.url) as line:
        scene = Scene(WorkerStore(WorkerId(uuid4()), accepts=line, finishes=line))
        await own_postgres.stop()
        bundle = Bundle(lease_id=LeaseId(uuid4()), queue="default", size=1)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            running = group.create_task(scene.acceptor.run())
            for _ in range(2):
                with pytest.raises(StoreUnavailableError):
                    await scene.acceptor.accept(bundle)
            running.cancel()
        await until(lambda: not scene.acceptor.is_busy)


async def test_tasks_wait_for_as_many_slots_as_the_line_says_in_which_they_came(
    ground: Ground,
) -> None:
    scene = Scene(ground.worker)
    light, wide = await ground.bundle(2), await ground.bundle(1)
    async with scene.accepting(light), asyncio.TaskGroup() as group:
        group.create_task(scene.acceptor.accept(wide, slots=3))
        await asyncio.sleep(0)
        await scene.acceptor.tick()
    assert {leased.task.lease_id for leased in scene.put} == {light.lease_id}
    assert [(leased.task.lease_id, slots) for leased, slots in scene.wide] == [(wide.lease_id, 3)]
    assert len(scene.put) == 2


async def test_a_bundle_from_the_bell_is_accepted_before_redis_is_told_to_let_go_of_it(
    ground: Ground, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that comes alone waits for the one, and not for the other."""
    steps: list[str] = []
    let_go = BellWorker._remove  # pyright: ignore[reportPrivateUsage] - watched, and done

    class WatchedStore(WorkerStore):
        async def accept(self, lease_ids: Sequence[LeaseId], *, lease: timedelta) -> list[Accepted]:
            steps.append("accept")
            return await super().accept(lease_ids, lease=lease)

    async def watched(bell_worker: BellWorker, name: str) -> None:
        steps.append("let go")
        await let_go(bell_worker, name)

    async def room() -> int:
        return 10

    monkeypatch.setattr(BellWorker, "_remove", watched)
    bundle = await ground.bundle(1)
    async with (
        asyncio.timeout(10),
        open_line(database_url) as line,
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        asyncio.TaskGroup() as group,
    ):
        scene = Scene(WatchedStore(WorkerId(uuid4()), accepts=line, finishes=line))
        receiver = BundleReceiver(
            redis_url,
            "hive",
            "default",
            accept=scene.acceptor.accept,
            wait_for_room=room,
            max_bundles=10,
        )
        running = [group.create_task(each.run()) for each in (receiver, scene.acceptor)]

        async def waits_at_bell() -> bool:
            return (await client.info("clients"))["blocked_clients"] == 1

        await until(waits_at_bell)
        await sender.send([bundle], ttl_seconds=15)
        await until(lambda: len(steps) == 2 and bool(scene.put))
        for task in running:
            task.cancel()
    assert steps == ["accept", "let go"]
