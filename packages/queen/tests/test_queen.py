"""Whole queens and workers: everything is dispatched and finished, within its bounds, at once."""

import asyncio
import statistics
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from asyncpg import Connection

from hive_bus.bus import Bus
from hive_contracts.clocks import BootClock
from hive_contracts.events import LeaseChange, LeaseFrame
from hive_contracts.execution import Attempt, Tools
from hive_contracts.ids import LeaseId, QueenId
from hive_contracts.outcomes import Succeeded
from hive_contracts.states import TaskState
from hive_queen.hints import Hints
from hive_queen.pacing import RunTimes
from hive_queen.permits import Permits
from hive_queen.queen import Queen, open_queen
from hive_queen.settings import QueenSettings
from hive_telemetry.metrics import Metrics
from hive_testkit.ground import Ground
from hive_testkit.plugin import OwnServer
from hive_testkit.trial import Gate, NoSpawner, Stage
from hive_testkit.waiting import until
from hive_worker.settings import WorkerSettings
from hive_worker.worker import open_worker


class Hive:
    """Queens and workers over one store and one Redis, each at work until the test ends."""

    def __init__(
        self, database_url: str, redis_url: str, group: asyncio.TaskGroup, stack: AsyncExitStack
    ) -> None:
        self._urls: dict[str, Any] = {
            "database_url": database_url,
            "redis_url": redis_url,
            "redis_prefix": "trial",
            "version": "0",
        }
        self._group = group
        self._stack = stack
        self.stage = Stage()
        self.reigning: list[asyncio.Task[Any]] = []
        self.metrics: list[Metrics] = []

    async def add_queen(self, **settings: Any) -> Queen:
        self.metrics.append(Metrics())
        queen = await self._stack.enter_async_context(
            open_queen(settings=QueenSettings(**settings), metrics=self.metrics[-1], **self._urls)
        )
        self.reigning.append(self._group.create_task(queen.run()))
        return queen

    async def add_worker(self, **settings: Any) -> None:
        worker = await self._stack.enter_async_context(
            open_worker(
                tools=Tools(spawner=NoSpawner(), settings=(self.stage,)),
                settings=WorkerSettings(**settings),
                metrics=Metrics(),
                **self._urls,
            )
        )
        self.reigning.append(self._group.create_task(worker.run()))


@asynccontextmanager
async def open_hive(database_url: str, redis_url: str) -> AsyncGenerator[Hive]:
    async with asyncio.timeout(30), AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        hive = Hive(database_url, redis_url, group, stack)
        yield hive
        for task in hive.reigning:
            task.cancel()


OpenHive = Callable[[], AbstractAsyncContextManager[Hive]]


@pytest.fixture
def start_hive(database_url: str, redis_url: str, trial_kind: None) -> OpenHive:
    return partial(open_hive, database_url, redis_url)


async def until_all_succeeded(ground: Ground, count: int, *, within_seconds: float = 10) -> None:
    async def have_all_succeeded() -> bool:
        return await ground.tasks.count() == {"default": {TaskState.SUCCEEDED: count}}

    await until(have_all_succeeded, within_seconds=within_seconds)


async def test_ten_times_more_tasks_than_permits_are_all_finished(
    start_hive: OpenHive, ground: Ground
) -> None:
    async with start_hive() as hive:
        queen = await hive.add_queen()
        await hive.add_worker(slots=5)
        await until(lambda: queen.permits.size == 5)
        await ground.submit(50)
        await until_all_succeeded(ground, 50, within_seconds=5)
        assert await ground.tasks.count_orphans() == 0
        await until(lambda: queen.permits.held == 0)


async def test_what_is_dispatched_never_exceeds_the_slots_however_many_queens(
    start_hive: OpenHive, ground: Ground, database: "Connection[Any]"
) -> None:
    async def play(attempt: Attempt) -> Any:
        await asyncio.sleep(0.002 * (attempt.task.id % 5))
        return Succeeded(None)

    async with start_hive() as hive:
        queens = [await hive.add_queen(ahead_seconds=0) for _ in range(2)]
        await hive.add_worker(slots=4)
        await until(lambda: [queen.permits.size for queen in queens] == [2, 2])
        hive.stage.play = play
        most, in_flight = 0, "select coalesce(sum(open), 0) from hive.lease"
        await ground.submit(200)
        while await database.fetchval("select count(*) from hive.task where finished_at is null"):
            most = max(most, await database.fetchval(in_flight))
        assert 2 <= most <= 4
        claimed = [metrics.value("hive_claimed_tasks_total") or 0 for metrics in hive.metrics]
        assert sum(claimed) == 200
        assert min(claimed) > 0
    assert len({attempt.task.id for attempt in hive.stage.seen}) == len(hive.stage.seen) == 200


async def test_many_short_tasks_are_drained_in_bundles(
    start_hive: OpenHive, ground: Ground
) -> None:
    async with start_hive() as hive:
        queen = await hive.add_queen()
        await hive.add_worker(slots=4)
        await until(lambda: queen.permits.size == 4)
        await ground.submit(3000)
        await until_all_succeeded(ground, 3000)
        claims = hive.metrics[0].value("hive_claims_total")
        assert claims is not None
        assert claims < 300
        await until(lambda: queen.permits.held == 0)


async def test_a_submit_is_dispatched_at_once_and_not_at_the_next_poll(
    start_hive: OpenHive, ground: Ground
) -> None:
    loop = asyncio.get_running_loop()
    async with start_hive() as hive:
        queen = await hive.add_queen(poll_seconds=1)
        await hive.add_worker(slots=4)
        await until(lambda: queen.permits.size == 4)
        delays: list[float] = []
        for count in range(1, 8):
            begun = loop.time()
            await ground.submit(1)
            await until(lambda count=count: len(hive.stage.seen) == count)
            delays.append(loop.time() - begun)
        assert statistics.median(delays) < 0.25


async def test_a_queue_is_claimed_from_when_a_worker_that_serves_it_appears(
    start_hive: OpenHive, ground: Ground
) -> None:
    async with start_hive() as hive:
        await hive.add_queen(poll_seconds=0.2)
        await hive.add_worker(slots=1)
        [task_id] = await ground.submit(1, queue="side")
        await ground.submit(1)
        await until(lambda: len(hive.stage.seen) == 1)
        assert (await ground.tasks.read(task_id)).state is TaskState.QUEUED
        await hive.add_worker(slots=1, queues=("side",))
        await until(lambda: len(hive.stage.seen) == 2)


async def test_a_free_slot_goes_to_the_most_urgent_task(
    start_hive: OpenHive, ground: Ground
) -> None:
    async with start_hive() as hive:
        queen = await hive.add_queen()
        hive.stage.play = gate = Gate()
        await hive.add_worker(slots=1)
        await until(lambda: queen.permits.size == 1)
        await ground.submit(3, priority=5)
        await gate.entered.wait()
        [urgent] = await ground.submit(1, priority=0)
        gate.open()
        await until_all_succeeded(ground, 4)
        assert hive.stage.seen[1].task.id == urgent


@pytest.mark.usefixtures("trial_kind")
async def test_losing_all_of_redis_in_the_middle_loses_and_repeats_nothing(
    ground: Ground, database_url: str, own_redis: OwnServer
) -> None:
    async def play(_: Attempt) -> Any:
        await asyncio.sleep(0.005)
        return Succeeded(None)

    async with open_hive(database_url, own_redis.url) as hive:
        hive.stage.play = play
        queen = await hive.add_queen(poll_seconds=0.2, lease_seconds=5)
        await hive.add_worker(slots=4)
        await until(lambda: queen.permits.size == 4)
        await ground.submit(300)
        await until(lambda: len(hive.stage.seen) > 50)
        await own_redis.kill()
        await own_redis.start()
        await until_all_succeeded(ground, 300, within_seconds=20)
        ids = [attempt.task.id for attempt in hive.stage.seen]
        assert len(set(ids)) == len(ids) == 300


async def test_a_queen_that_falls_takes_all_her_loops_with_her(
    start_hive: OpenHive, database: "Connection[Any]"
) -> None:
    await database.execute("drop function hive.create_event_days")

    async def reign() -> None:
        async with start_hive() as hive:
            await hive.add_queen()
            await asyncio.wait(hive.reigning)

    with pytest.raises(ExceptionGroup):
        await reign()


async def test_a_queen_signs_off(start_hive: OpenHive, database: "Connection[Any]") -> None:
    count = "select count(*) from hive.queen"
    async with start_hive() as hive:
        await hive.add_queen()

        async def is_seen() -> bool:
            return await database.fetchval(count) == 1

        await until(is_seen)
    assert await database.fetchval(count) == 0


async def test_hints_return_permits_and_a_gap_asks_for_a_recount(own_redis: OwnServer) -> None:
    permits, run_times, missed = Permits(BootClock()), RunTimes(), asyncio.Event()
    permits.resize(total=4, by_queue={"default": 4})
    queen_id, ours, theirs = QueenId(uuid4()), LeaseId(uuid4()), LeaseId(uuid4())
    for lease_id in (ours, theirs):
        permits.add(lease_id, "default", 2)
    frame = LeaseFrame(
        changes=(
            LeaseChange(lease_id=ours, queen_id=queen_id, open=0),
            LeaseChange(lease_id=theirs, queen_id=QueenId(uuid4()), open=0),
        ),
        run_seconds={"trial": (2, 0.5)},
    )
    async with (
        asyncio.timeout(20),
        Bus.open(own_redis.url) as bus,
        asyncio.TaskGroup() as group,
    ):
        hints = Hints(bus, queen_id, permits, run_times, missed=missed, on_ended=lambda: None)
        listening = group.create_task(hints.run())

        async def was_heard() -> bool:
            await bus.publish(frame)
            return not permits.holds(ours)

        await until(was_heard)
        assert permits.held == 2
        run_times.claimed("default", ["trial"])
        assert run_times.expected_seconds("default") == 0.25
        assert not missed.is_set()
        await own_redis.kill()
        await missed.wait()
        listening.cancel()
