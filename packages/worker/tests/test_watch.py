"""Looked over ten times a second: late starts, output, and tasks overdue or without a proof."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from hive_bus.bus import Bus
from hive_contracts.errors import UsageError
from hive_contracts.execution import Attempt, Stream, Tools
from hive_contracts.outcomes import Cancelled, OutcomeName, Silent, TimedOut
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
            ground.worker,
            self.holdings,
            bus,
            max_unwritten=100,
            metrics=self.metrics,
            clock=self.clock,
        )
        self.runner = Runner(
            executors, self.recorder, self.holdings, settings=settings, clock=self.clock
        )
        self.slots = Slots(2, run=self.runner.run, ahead_seconds=0.05, clock=self.clock)
        self.runner.on_abandoned = self.slots.abandon
        self.watch = Watch(
            self.runner,
            self.slots,
            self.recorder,
            self.proof,
            settings=settings,
            metrics=self.metrics,
            clock=self.clock,
        )

    async def put(self, count: int, **options: Any) -> list[LeasedTask]:
        leased = await self.ground.lease(count, **options)
        for each in leased:
            self.holdings.take(each.task.lease_id, {each.task.id})
        self.slots.put(leased)
        return leased

    def pass_quietly(self, *, seconds: float) -> None:
        """Let time pass as it does while the loop runs: with a look every tenth of a second."""
        for _ in range(round(seconds * 10)):
            self.clock.pass_seconds(0.1)
            self.proof.move(self.clock.seconds())
            self.watch.tick()

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


async def test_a_full_piece_of_output_is_stored_before_its_second_is_over(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1)
    await gate.entered.wait()
    attempt = scene.runner.running[leased.task.id]
    for data, stored in ((b"a line", 1), (b"another", 1), (bytes(PIECE_BYTES), 2)):
        attempt.write_output(Stream.STDOUT, data)
        scene.watch.tick()
        await scene.recorder.wait_until_written()
        assert len(await scene.ground.tasks.read_output(leased.task.id)) == stored
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


async def test_what_is_written_after_a_silence_is_stored_at_the_next_look_and_then_each_second(
    scene: Scene,
) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1)
    await gate.entered.wait()
    attempt = scene.runner.running[leased.task.id]

    async def stored() -> bytes:
        await scene.recorder.wait_until_written()
        pieces = await scene.ground.tasks.read_output(leased.task.id)
        return b"".join(piece.data for piece in pieces)

    seen: list[bytes] = []
    for text in (b"a", b"b", b"c"):
        attempt.write_output(Stream.STDOUT, text)
        scene.watch.tick()
        seen.append(await stored())
        scene.clock.pass_seconds(0.4)
    scene.watch.tick()
    seen.append(await stored())
    assert seen == [b"a", b"a", b"a", b"abc"]
    gate.open()


async def test_an_attempt_may_want_less_kept_than_its_worker_keeps_and_never_more(
    scene: Scene,
) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1)
    await gate.entered.wait()
    attempt = scene.runner.running[leased.task.id]
    attempt.cap_output(10)
    attempt.cap_output(10**12)
    attempt.write_output(Stream.STDOUT, b"0123456789" * 5)
    kept = attempt.output.take(is_final=True) if attempt.output is not None else []
    assert b"".join(piece.data for piece in kept) == b"0123456789"
    with pytest.raises(UsageError, match="has written something already"):
        attempt.cap_output(5)
    gate.open()


async def test_an_attempt_that_is_silent_for_too_long_is_stopped_with_that_reason(
    scene: Scene,
) -> None:
    scene.stage.play = gate = Gate()
    limit = timedelta(seconds=30)
    [leased] = await scene.put(1, silence_timeout=limit, max_attempts=1)
    await gate.entered.wait()
    scene.pass_quietly(seconds=30)
    assert gate.inside == 1
    scene.pass_quietly(seconds=0.2)
    await until(lambda: gate.inside == 0)
    await scene.recorder.wait_until_written()
    record = await scene.ground.tasks.read(leased.task.id)
    assert (record.state, record.failures) == (TaskState.FAILED, 1)
    assert record.error == "it was silent for longer than its limit of 30 s"
    [ended] = await scene.ground.tasks.read_ended([leased.task.id])
    assert ended.outcome is OutcomeName.TIMED_OUT


async def test_silence_is_retried_as_a_time_out_is(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1, silence_timeout=timedelta(seconds=1), max_attempts=2)
    await gate.entered.wait()
    scene.pass_quietly(seconds=1.2)
    await until(lambda: gate.inside == 0)
    await scene.recorder.wait_until_written()
    assert await scene.state_of(leased) is TaskState.SCHEDULED


async def test_output_and_signs_of_life_end_the_silence(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1, silence_timeout=timedelta(seconds=1))
    await gate.entered.wait()
    attempt = scene.runner.running[leased.task.id]
    for _ in range(3):
        scene.pass_quietly(seconds=0.9)
        attempt.write_output(Stream.STDERR, b".")
        scene.pass_quietly(seconds=0.9)
        attempt.show_life()
    assert attempt.verdict is None
    scene.pass_quietly(seconds=1.2)
    assert attempt.verdict == Silent(timedelta(seconds=1))


async def test_while_the_loop_was_held_up_nobody_was_silent(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1, silence_timeout=timedelta(seconds=5))
    await gate.entered.wait()
    scene.watch.tick()
    scene.clock.pass_seconds(8)
    scene.watch.tick()
    attempt = scene.runner.running[leased.task.id]
    attempt.write_output(Stream.STDOUT, b"said while the loop was held up")
    scene.pass_quietly(seconds=1)
    assert attempt.verdict is None
    gate.open()


class Stubborn(Gate):
    """A play that goes on when it is cancelled, until it is let through."""

    def __init__(self, *, is_alone: bool = True) -> None:
        super().__init__()
        self.is_alone = is_alone
        self.refusals = 0

    async def __call__(self, attempt: Attempt) -> Any:
        if self.is_alone:
            attempt.let_be_abandoned()
        while True:
            try:
                return await super().__call__(attempt)
            except asyncio.CancelledError:
                self.refusals += 1


async def test_what_ignores_its_cancellation_is_abandoned_and_its_slot_is_opened_again(
    scene: Scene,
) -> None:
    scene.stage.play = stubborn = Stubborn()
    [leased] = await scene.put(1)
    await stubborn.entered.wait()
    scene.runner.call_off([leased.task.id], Cancelled())
    await until(lambda: stubborn.refusals == 1)
    scene.pass_quietly(seconds=30)
    assert scene.slots.busy == 1
    scene.pass_quietly(seconds=0.3)
    await scene.recorder.wait_until_written()
    record = await scene.ground.tasks.read(leased.task.id)
    assert record.state is TaskState.CANCELLED
    assert record.error == "it did not stop within 30 s and was abandoned"
    assert (scene.slots.busy, scene.slots.abandoned) == (0, 1)

    scene.stage.play = gate = Gate()
    await scene.put(2)
    await until(lambda: gate.inside == 2)
    assert scene.slots.busy == 2
    gate.open()
    await until(lambda: scene.slots.busy == 0)
    stubborn.open()
    await until(lambda: scene.slots.abandoned == 0)


async def test_what_was_abandoned_writes_nothing_when_it_returns(scene: Scene) -> None:
    scene.stage.play = stubborn = Stubborn()
    [leased] = await scene.put(1, max_attempts=2)
    await stubborn.entered.wait()
    attempt = scene.runner.running[leased.task.id]
    attempt.call_off(TimedOut(timedelta(seconds=5)))
    scene.pass_quietly(seconds=30.3)
    await scene.recorder.wait_until_written()
    assert await scene.state_of(leased) is TaskState.SCHEDULED
    attempt.write_output(Stream.STDOUT, b"too late")
    stubborn.open()
    await until(lambda: scene.slots.abandoned == 0)
    scene.pass_quietly(seconds=2)
    await scene.recorder.wait_until_written()
    record = await scene.ground.tasks.read(leased.task.id)
    assert (record.state, record.result, record.failures) == (TaskState.SCHEDULED, None, 1)
    assert await scene.ground.tasks.read_output(leased.task.id) == []
    assert scene.slots.busy == 0


async def test_what_holds_processes_is_reported_and_waited_for(scene: Scene) -> None:
    scene.stage.play = stubborn = Stubborn(is_alone=False)
    [leased] = await scene.put(1)
    await stubborn.entered.wait()
    scene.runner.call_off([leased.task.id], Cancelled())
    scene.pass_quietly(seconds=31)
    assert (scene.watch.stuck, scene.slots.abandoned, scene.slots.busy) == (1, 0, 1)
    stubborn.open()
    await until(lambda: scene.slots.busy == 0)
    scene.watch.tick()
    assert scene.watch.stuck == 0


async def test_what_stops_in_time_is_not_stuck(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    [leased] = await scene.put(1)
    await gate.entered.wait()
    scene.runner.call_off([leased.task.id], Cancelled())
    await until(lambda: gate.inside == 0)
    scene.pass_quietly(seconds=31)
    await scene.recorder.wait_until_written()
    assert (await scene.ground.tasks.read(leased.task.id)).error is None
    assert (scene.watch.stuck, scene.slots.abandoned) == (0, 0)
