"""Looked over ten times a second: late starts, output, and tasks overdue or without a proof."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from hive_bus.bus import Bus
from hive_contracts.execution import Stream, Tools
from hive_contracts.states import TaskState
from hive_store.worker_store import LeasedTask
from hive_telemetry.metrics import Metrics
from hive_testkit.clocks import ManualClock
from hive_testkit.ground import Ground
from hive_testkit.trial import Gate, NoSpawner, Stage
from hive_testkit.waiting import until
from hive_worker.executors import Executors
from hive_worker.holdings import Holdings
from hive_worker.output import PIECE_BYTES
from hive_worker.proof import Proof
from hive_worker.recorder import Recorder
from hive_worker.runner import Runner
from hive_worker.settings import WorkerSettings
from hive_worker.slots import Slots
from hive_worker.watch import Watch


class Scene:
    """A worker of two slots, without the parts that hear from outside."""

    def __init__(self, ground: Ground, bus: Bus, executors: Executors, stage: Stage) -> None:
        self.ground = ground
        self.stage = stage
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.holdings = Holdings()
        self.proof = Proof(self.clock, lease_seconds=15, margin_seconds=2)
        self.proof.move(self.clock.seconds())
        settings = WorkerSettings()
        self.recorder = Recorder(
            ground.worker, self.holdings, bus, max_unwritten=100, metrics=self.metrics
        )
        self.runner = Runner(
            executors, self.recorder, self.holdings, settings=settings, clock=self.clock
        )
        self.slots = Slots(2, run=self.runner.run, ahead_seconds=0.05, clock=self.clock)
        self.watch = Watch(
            self.runner,
            self.slots,
            self.recorder,
            self.proof,
            settings=settings,
            metrics=self.metrics,
            clock=self.clock,
        )

    async def put(self, count: int) -> list[LeasedTask]:
        leased = await self.ground.lease(count)
        for each in leased:
            self.holdings.take(each.task.lease_id, {each.task.id})
        self.slots.put(leased)
        return leased

    async def state_of(self, leased: LeasedTask) -> TaskState:
        return (await self.ground.tasks.read(leased.task.id)).state


@pytest.fixture
async def scene(ground: Ground, redis_url: str, trial_kind: None) -> AsyncGenerator[Scene]:
    stage = Stage()
    async with (
        asyncio.timeout(20),
        Bus.open(redis_url) as bus,
        Executors.open(Tools(spawner=NoSpawner(), settings=(stage,))) as executors,
        asyncio.TaskGroup() as group,
    ):
        scene = Scene(ground, bus, executors, stage)
        loops = [group.create_task(loop.run()) for loop in (scene.slots, scene.recorder)]
        yield scene
        for loop in loops:
            loop.cancel()


async def test_an_attempt_that_turns_out_to_be_long_is_shown_as_running(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1)
    await gate.entered.wait()
    scene.watch.tick()
    assert await scene.state_of(leased) is TaskState.DISPATCHED
    scene.clock.pass_seconds(0.11)
    scene.watch.tick()
    attempt = scene.runner.running[leased.task.id]
    await until(lambda: attempt.is_start_written)
    assert await scene.state_of(leased) is TaskState.RUNNING
    gate.open()


async def test_a_start_that_is_on_its_way_is_not_written_again(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1)
    await gate.entered.wait()
    scene.clock.pass_seconds(0.11)
    scene.watch.tick()
    scene.watch.tick()
    assert scene.runner.running[leased.task.id].is_start_on_its_way
    gate.open()


async def test_what_finds_no_slot_goes_back_uncounted(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    leased = await scene.put(5)
    await until(lambda: gate.inside == 2)
    scene.clock.pass_seconds(1.1)
    scene.watch.tick()
    await scene.recorder.wait_until_written()
    records = [await scene.ground.tasks.read(each.task.id) for each in leased]
    back = [record for record in records if record.state is TaskState.QUEUED]
    assert len(back) == 3
    assert {record.failures for record in back} == {0}
    assert back[0].history[0].error == "no slot of its worker was free"
    gate.open()


async def test_output_is_stored_each_second_and_a_full_piece_at_once(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1)
    await gate.entered.wait()
    attempt = scene.runner.running[leased.task.id]
    scene.watch.tick()
    attempt.write_output(Stream.STDOUT, b"a line\n")
    scene.watch.tick()
    assert await scene.ground.tasks.read_output(leased.task.id) == []
    scene.clock.pass_seconds(1.1)
    scene.watch.tick()
    await scene.recorder.wait_until_written()
    assert len(await scene.ground.tasks.read_output(leased.task.id)) == 1
    attempt.write_output(Stream.STDOUT, bytes(PIECE_BYTES))
    scene.watch.tick()
    await scene.recorder.wait_until_written()
    assert len(await scene.ground.tasks.read_output(leased.task.id)) == 2
    gate.open()


async def test_without_a_proof_everything_stops_and_goes_back_uncounted(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    leased = await scene.put(4)
    await until(lambda: gate.inside == 2)
    scene.clock.pass_seconds(13.1)
    scene.watch.tick()
    await until(lambda: gate.inside == 0)
    await scene.recorder.wait_until_written()
    records = [await scene.ground.tasks.read(each.task.id) for each in leased]
    assert {record.state for record in records} == {TaskState.QUEUED}
    assert {(r.failures, r.losses, r.attempt) for r in records} == {(0, 0, 0)}


async def test_the_slots_are_shown(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    await scene.put(1)
    await gate.entered.wait()
    scene.watch.tick()
    assert scene.metrics.value("hive_worker_slots", state="busy") == 1
    assert scene.metrics.value("hive_worker_slots", state="free") == 1
    gate.open()
