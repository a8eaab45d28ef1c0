"""What happened is written together, in order, once, and through every outage."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncpg import Connection

from hive_bus.bus import Bus
from hive_contracts.errors import (
    OpenBreakerError,
    SpentBudgetError,
    StaleLeaseError,
    StoreUnavailableError,
)
from hive_contracts.events import EventFrame, EventType, LeaseFrame
from hive_contracts.execution import Stream
from hive_contracts.leased import Task
from hive_contracts.outcomes import OutcomeName
from hive_contracts.sizes import MAX_VALUE_BYTES
from hive_contracts.spending import Budget, BudgetScope, Spending, Spent
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import WorkerStore, migrate, open_line
from hive_store.budget_store import BudgetStore
from hive_store.deeds import Actor
from hive_store.worker_store import Ending, Finished, LeasedTask
from hive_telemetry.metrics import Metrics
from hive_testkit.clocks import ManualClock
from hive_testkit.ground import Ground, open_ground
from hive_testkit.plugin import OwnServer
from hive_testkit.waiting import until
from hive_worker.attempts import RunningAttempt
from hive_worker.holdings import Holdings
from hive_worker.recorder import Recorder


class Scene:
    """A recorder and what it needs."""

    def __init__(self, store: WorkerStore, bus: Bus, *, max_unwritten: int = 100) -> None:
        self.holdings = Holdings()
        self.metrics = Metrics()
        self.clock = ManualClock()
        self.recorder = Recorder(
            store,
            self.holdings,
            bus,
            max_unwritten=max_unwritten,
            metrics=self.metrics,
            clock=self.clock,
        )

    def attempt(self, task: Task) -> RunningAttempt:
        return RunningAttempt(
            task,
            began_at=0,
            output_cap_bytes=1000,
            desk=self.recorder,
            slot=asyncio.current_task(),
        )

    def hold(self, leased: Sequence[LeasedTask]) -> list[Task]:
        tasks = [each.task for each in leased]
        for task in tasks:
            self.holdings.take(task.lease_id, {task.id})
        return tasks

    def succeed(self, task: Task, result: str = "1", attempt: RunningAttempt | None = None) -> None:
        self.recorder.record(
            Ending(
                task_id=task.id,
                lease_id=task.lease_id,
                move=Move.SUCCEED,
                outcome=OutcomeName.SUCCEEDED,
                result=result,
                run_seconds=0.25,
            ),
            attempt,
            task,
        )

    @asynccontextmanager
    async def recording(self) -> AsyncGenerator[None]:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            running = group.create_task(self.recorder.run())
            yield
            await self.recorder.wait_until_written()
            running.cancel()


@pytest.fixture
async def bus(redis_url: str) -> AsyncGenerator[Bus]:
    async with Bus.open(redis_url) as bus:
        yield bus


@pytest.fixture
def scene(ground: Ground, bus: Bus) -> Scene:
    return Scene(ground.worker, bus)


async def test_while_more_is_to_end_endings_wait_for_company_and_starts_do_not(
    scene: Scene, ground: Ground
) -> None:
    first, second, last = scene.hold(await ground.lease(3))
    async with scene.recording():
        scene.succeed(first)
        await until(lambda: scene.recorder.unwritten == 0)
        scene.succeed(second)
        await scene.recorder.write_start(scene.attempt(last))
        assert scene.recorder.unwritten == 1
        scene.clock.pass_seconds(1)
        await until(lambda: scene.recorder.unwritten == 0)
        scene.succeed(last)
        await until(lambda: scene.recorder.unwritten == 0)
    assert await ground.tasks.count() == {"default": {TaskState.SUCCEEDED: 3}}


async def test_what_gathers_is_written_in_one_tick_and_let_go(scene: Scene, ground: Ground) -> None:
    tasks = scene.hold(await ground.lease(5))
    for task in tasks:
        scene.succeed(task)
    assert scene.recorder.unwritten == 5
    await scene.recorder.tick()
    assert scene.recorder.unwritten == 0
    assert scene.holdings.lease_ids() == []
    assert await ground.tasks.count() == {"default": {TaskState.SUCCEEDED: 5}}


@pytest.mark.parametrize(
    ("move", "outcome", "told"),
    [
        (Move.RETRY, OutcomeName.FAILED, EventType.RETRIED),
        (Move.RELEASE, OutcomeName.RELEASED, EventType.RELEASED),
        (Move.POSTPONE, OutcomeName.RELEASED, EventType.RELEASED),
        (Move.FAIL, OutcomeName.TIMED_OUT, EventType.FAILED),
        (Move.CANCEL, OutcomeName.CANCELLED, EventType.CANCELLED),
    ],
)
async def test_watchers_hear_of_an_ending_what_the_log_says(  # noqa: PLR0917
    scene: Scene,
    ground: Ground,
    bus: Bus,
    database: "Connection[Any]",
    move: Move,
    outcome: OutcomeName,
    told: EventType,
) -> None:
    [task] = scene.hold(await ground.lease(1))
    ending = Ending(task_id=task.id, lease_id=task.lease_id, move=move, outcome=outcome)
    async with bus.subscribe(EventFrame) as frames:
        scene.recorder.record(ending, None, task)
        await scene.recorder.tick()
        async with asyncio.timeout(5):
            frame = await anext(frames)
    assert isinstance(frame, EventFrame)
    assert [(event.type, event.task_ids) for event in frame.events] == [(told, (task.id,))]
    last = "select type::text from hive.event order by id desc limit 1"
    assert await database.fetchval(last) == told


async def test_what_is_written_is_counted_and_told(scene: Scene, ground: Ground, bus: Bus) -> None:
    tasks = scene.hold(await ground.lease(3))
    async with bus.subscribe(EventFrame, LeaseFrame) as frames:
        for task in tasks[:2]:
            scene.succeed(task)
        await scene.recorder.tick()
        async with asyncio.timeout(5):
            lease_frame, event_frame = await anext(frames), await anext(frames)
    labels = {"queue": "default", "kind": "trial", "outcome": "succeeded"}
    assert scene.metrics.value("hive_tasks_finished_total", **labels) == 2
    assert isinstance(lease_frame, LeaseFrame)
    assert [change.open for change in lease_frame.changes] == [1]
    assert lease_frame.run_seconds == {"trial": (2, 0.5)}
    assert isinstance(event_frame, EventFrame)
    assert event_frame.events[0].task_ids == (tasks[0].id, tasks[1].id)
    assert event_frame.events[0].attempts == (1, 1)


async def test_kinds_are_counted_apart_and_what_never_ran_has_no_time(
    scene: Scene, ground: Ground, bus: Bus
) -> None:
    first, second, unbegun = scene.hold(await ground.lease(3))
    other = second.replaced(kind="other")
    async with bus.subscribe(EventFrame, LeaseFrame) as frames:
        scene.succeed(first)
        scene.succeed(other)
        scene.recorder.record(
            Ending(unbegun.id, unbegun.lease_id, Move.CANCEL, OutcomeName.CANCELLED), None, unbegun
        )
        await scene.recorder.tick()
        async with asyncio.timeout(5):
            lease_frame, event_frame = await anext(frames), await anext(frames)
    for kind, outcome in (("trial", "succeeded"), ("other", "succeeded"), ("trial", "cancelled")):
        labels = {"queue": "default", "kind": kind, "outcome": outcome}
        assert scene.metrics.value("hive_tasks_finished_total", **labels) == 1
    assert isinstance(lease_frame, LeaseFrame)
    assert [change.open for change in lease_frame.changes] == [0]
    assert lease_frame.run_seconds == {"trial": (1, 0.25), "other": (1, 0.25)}
    assert isinstance(event_frame, EventFrame)
    told = {(event.type, event.task_ids) for event in event_frame.events}
    assert told == {
        (EventType.SUCCEEDED, (first.id,)),
        (EventType.SUCCEEDED, (second.id,)),
        (EventType.CANCELLED, (unbegun.id,)),
    }


async def test_an_ending_under_a_lease_that_is_gone_changes_nothing_and_is_counted(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    [task] = scene.hold(await ground.lease(1))
    await database.execute("update hive.lease set expires_at = now() - interval '1 second'")
    await ground.queen.reap(batch_size=1)
    scene.succeed(task)
    await scene.recorder.tick()
    assert (await ground.tasks.read(task.id)).state is TaskState.QUEUED
    assert scene.metrics.value("hive_stale_writes_total") == 1
    assert scene.holdings.lease_ids() == []


async def test_a_result_that_postgres_refuses_fails_alone(scene: Scene, ground: Ground) -> None:
    tasks = scene.hold(await ground.lease(9))
    for place, task in enumerate(tasks):
        scene.succeed(task, result='{"name": "\\u0000"}' if place == 4 else "1")
    await scene.recorder.tick()
    records = await ground.tasks.read_many([task.id for task in tasks])
    failed = [record for record in records if record.state is TaskState.FAILED]
    assert [record.id for record in failed] == [tasks[4].id]
    assert failed[0].error is not None
    assert failed[0].error.startswith("its result was refused by Postgres: ")
    assert sum(record.state is TaskState.SUCCEEDED for record in records) == 8
    assert scene.holdings.lease_ids() == []


async def test_what_breaks_a_rule_of_the_schema_fails_alone(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    await database.execute("alter table hive.question add constraint no check (question <> 'no')")
    tasks = scene.hold(await ground.lease(4))
    for task, question in zip(tasks, ("one", "no", "two"), strict=False):
        asked = Ending(task.id, task.lease_id, Move.ASK, OutcomeName.RELEASED, error=question)
        scene.recorder.record(asked, None, task)
    scene.succeed(tasks[3])
    await scene.recorder.tick()
    records = await ground.tasks.read_many([task.id for task in tasks])
    assert [record.state for record in records] == [
        TaskState.BLOCKED, TaskState.FAILED, TaskState.BLOCKED, TaskState.SUCCEEDED,
    ]  # fmt: skip
    error = records[1].error
    assert error is not None
    assert "refused by Postgres" in error
    assert "Failing row" not in error


async def test_large_results_go_in_several_statements_and_small_ones_beside_them(
    scene: Scene, ground: Ground
) -> None:
    tasks = scene.hold(await ground.lease(20))
    large = json.dumps("x" * (MAX_VALUE_BYTES - 2))
    for place, task in enumerate(tasks):
        scene.succeed(task, result="1" if place % 3 == 0 else large)
    await scene.recorder.tick()
    assert scene.recorder.unwritten == 9
    while scene.recorder.unwritten:
        await scene.recorder.tick()
    assert await ground.tasks.count() == {"default": {TaskState.SUCCEEDED: 20}}


async def test_a_start_is_durable_when_it_is_announced(scene: Scene, ground: Ground) -> None:
    tasks = scene.hold(await ground.lease(3))
    attempts = [scene.attempt(task) for task in tasks]
    async with scene.recording(), asyncio.TaskGroup() as group:
        announced = [group.create_task(attempt.announce_start()) for attempt in attempts]
        for task in announced:
            await task
        states = {r.state for r in await ground.tasks.read_many([t.id for t in tasks])}
        assert states == {TaskState.RUNNING}


async def test_starts_that_come_while_others_are_written_are_written_too(
    scene: Scene, ground: Ground
) -> None:
    tasks = scene.hold(await ground.lease(20))
    async with scene.recording(), asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(scene.attempt(task).announce_start())
            await asyncio.sleep(0.001)
    assert await ground.tasks.count() == {"default": {TaskState.RUNNING: 20}}


async def test_a_start_under_an_expired_lease_is_refused(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    [task] = scene.hold(await ground.lease(1))
    await database.execute("update hive.lease set expires_at = now() - interval '1 second'")
    async with scene.recording():
        with pytest.raises(StaleLeaseError):
            await scene.attempt(task).announce_start()
    assert scene.metrics.value("hive_stale_writes_total") == 1
    assert (await ground.tasks.read(task.id)).state is TaskState.DISPATCHED


async def test_a_start_that_nobody_waits_for_any_more_is_not_written(
    scene: Scene, ground: Ground
) -> None:
    [task] = scene.hold(await ground.lease(1))
    async with asyncio.TaskGroup() as group:
        announced = group.create_task(scene.attempt(task).announce_start())
        await asyncio.sleep(0)
        announced.cancel()
    await scene.recorder.tick()
    assert (await ground.tasks.read(task.id)).state is TaskState.DISPATCHED


async def test_what_gets_the_slot_of_a_task_that_met_a_quota_does_not_begin(
    scene: Scene, ground: Ground
) -> None:
    met, heir = scene.hold(await ground.lease(2, breaker="anthropic:team"))
    async with scene.recording():
        await scene.attempt(met).announce_start()
        signal = Ending(
            met.id, met.lease_id, Move.PARK, OutcomeName.RELEASED, error="429", opens_breaker=True
        )
        scene.recorder.record(signal, None, met)
        with pytest.raises(OpenBreakerError, match="breaker anthropic:team is open"):
            await scene.attempt(heir).announce_start()
    assert (await ground.tasks.read(heir.id)).state is TaskState.DISPATCHED
    assert (await ground.tasks.read(met.id)).parked_reason == "429"
    assert scene.metrics.value("hive_stale_writes_total") == 0


async def test_what_is_spent_is_written_answered_and_counted_once(
    scene: Scene, ground: Ground
) -> None:
    budgets = BudgetStore(ground.tasks.line, Actor("ada", "here"))
    await budgets.set(Budget(scope=BudgetScope.GROUP, target="g", microdollars=300))
    first, second = scene.hold(await ground.lease(2, group="g"))
    async with scene.recording():
        attempt = scene.attempt(first)
        assert await attempt.spend(Spending(microdollars=100, input_tokens=5)) is None
        # So soon after it is kept for the end.
        assert await attempt.spend(Spending(microdollars=350, input_tokens=7)) is None
        assert (await budgets.all())[0].spent.microdollars == 100
        scene.succeed(first, attempt=attempt)
        await scene.recorder.wait_until_written()
        assert (await budgets.all())[0].spent.microdollars == 350
        used_up = await scene.attempt(second).spend(Spending(turns=1))
        assert used_up == "budget group:g is used up: 0.00035 USD of 0.0003 USD"
        with pytest.raises(SpentBudgetError, match="budget group:g is used up"):
            await scene.attempt(second).announce_start()
        with pytest.raises(StaleLeaseError):
            await scene.attempt(first).spend(Spending(turns=1))
    usd = scene.metrics.value("hive_spent_usd_total", queue="default")
    assert usd == pytest.approx(350 / 1e6)
    tokens = scene.metrics.value("hive_spent_tokens_total", queue="default", direction="input")
    assert tokens == 7
    spent = await ground.tasks.spent_by(first.id)
    assert spent == Spent(microdollars=350, tokens=7, turns=None, unpriced=0)


async def test_a_late_start_that_is_refused_is_told_for_that_attempt(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    stale: list[RunningAttempt] = []
    scene.recorder.on_stale = stale.append
    [lost, held] = scene.hold([*await ground.lease(1), *await ground.lease(1)])
    await database.execute(
        "update hive.lease set expires_at = now() - interval '1 second' where id = $1",
        lost.lease_id,
    )
    attempts = [scene.attempt(lost), scene.attempt(held)]
    for attempt in attempts:
        scene.recorder.write_late_start(attempt)
    await scene.recorder.tick()
    assert stale == attempts[:1]
    assert [attempt.is_start_written for attempt in attempts] == [False, True]


async def test_announcing_a_start_waits_for_the_late_one_to_be_durable(
    scene: Scene, ground: Ground, database: "Connection[Any]"
) -> None:
    [task] = scene.hold(await ground.lease(1))
    await database.execute("update hive.lease set expires_at = now() - interval '1 second'")
    attempt = scene.attempt(task)
    scene.recorder.write_late_start(attempt)
    async with scene.recording():
        with pytest.raises(StaleLeaseError):
            await attempt.announce_start()


async def test_output_is_stored_before_the_ending_that_would_have_it_refused(
    scene: Scene, ground: Ground
) -> None:
    tasks = scene.hold(await ground.lease(50))
    async with scene.recording():
        for task in tasks:
            attempt = scene.attempt(task)
            attempt.write_output(Stream.STDOUT, b"said ")
            assert attempt.output is not None
            scene.recorder.write_output(attempt.output.take(is_final=False))
            attempt.write_output(Stream.STDOUT, b"and done")
            scene.succeed(task, attempt=attempt)
            await asyncio.sleep(0.001)
    for task in tasks:
        pieces = await ground.tasks.read_output(task.id)
        assert b"".join(piece.data for piece in pieces) == b"said and done"


async def test_a_second_ending_of_one_task_under_one_lease_changes_nothing(
    scene: Scene, ground: Ground
) -> None:
    [task] = scene.hold(await ground.lease(1))
    scene.succeed(task, result="1")
    await scene.recorder.tick()
    scene.succeed(task, result="2")
    await scene.recorder.tick()
    assert (await ground.tasks.read(task.id)).result == 1


async def test_of_two_endings_of_one_task_in_one_flush_the_first_counts_and_once(
    scene: Scene, ground: Ground, bus: Bus
) -> None:
    [task] = scene.hold(await ground.lease(1))
    later = Ending(
        task.id, task.lease_id, Move.FAIL, OutcomeName.FAILED, error="x", run_seconds=0.75
    )
    async with bus.subscribe(LeaseFrame) as frames:
        scene.succeed(task)
        scene.recorder.record(later, None, task)
        await scene.recorder.tick()
        async with asyncio.timeout(5):
            lease_frame = await anext(frames)
    assert (await ground.tasks.read(task.id)).state is TaskState.SUCCEEDED
    assert isinstance(lease_frame, LeaseFrame)
    assert lease_frame.run_seconds == {"trial": (1, 0.25)}
    labels = {"queue": "default", "kind": "trial", "outcome": "succeeded"}
    assert scene.metrics.value("hive_tasks_finished_total", **labels) == 1
    assert scene.metrics.value("hive_stale_writes_total") == 1


class DeafStore(WorkerStore):
    """The real store, but the answer to the first finish is lost on its way."""

    lost = 0

    async def finish(self, endings: Sequence[Ending]) -> list[Finished]:
        finished = await super().finish(endings)
        if not self.lost:
            self.lost = sum(len(alike.task_ids) for alike in finished)
            raise StoreUnavailableError("the answer was lost")
        return finished


async def test_a_finish_whose_answer_was_lost_is_repeated_and_counted_as_written(
    ground: Ground, database_url: str, bus: Bus
) -> None:
    async with open_line(database_url) as line:
        store = DeafStore(ground.worker.worker_id, accepts=line, finishes=line)
        scene = Scene(store, bus)
        for task in scene.hold(await ground.lease(4)):
            scene.succeed(task)
        async with scene.recording():
            pass
    assert store.lost == 4
    assert await ground.tasks.count() == {"default": {TaskState.SUCCEEDED: 4}}
    assert scene.metrics.value("hive_stale_writes_total") == 0
    labels = {"queue": "default", "kind": "trial", "outcome": "succeeded"}
    assert scene.metrics.value("hive_tasks_finished_total", **labels) == 4


async def test_while_postgres_is_away_outcomes_are_kept_up_to_a_bound_then_written(
    own_postgres: OwnServer, bus: Bus
) -> None:
    await migrate(own_postgres.url)
    async with open_ground(own_postgres.url) as ground, asyncio.TaskGroup() as group:
        scene = Scene(ground.worker, bus, max_unwritten=2)
        tasks = scene.hold(await ground.lease(2))
        await own_postgres.stop()
        async with scene.recording():
            for task in tasks:
                scene.succeed(task)
            await until(
                lambda: (scene.metrics.value("hive_loop_retries_total", loop="record") or 0) > 1
            )
            waiting = group.create_task(scene.recorder.wait_for_room())
            await asyncio.sleep(0)
            assert not waiting.done()
            assert scene.recorder.unwritten == 2
            await own_postgres.start()
        await waiting
        assert await ground.tasks.count() == {"default": {TaskState.SUCCEEDED: 2}}


async def following(scene: Scene, ground: Ground, *then: NewTask) -> tuple[Task, Ending]:
    """A task in hand, and the ending with which it has others submitted."""
    [task] = scene.hold(await ground.lease(1))
    ending = Ending(task.id, task.lease_id, Move.SUCCEED, OutcomeName.SUCCEEDED, "1", then=then)
    return task, ending


async def test_what_follows_a_success_is_submitted_with_it(scene: Scene, ground: Ground) -> None:
    [other] = scene.hold(await ground.lease(1))
    new = [NewTask(kind="trial", name="a"), NewTask(kind="trial", after=("a",))]
    task, ending = await following(scene, ground, *new)
    scene.succeed(other)
    scene.recorder.record(ending, None, task)
    await scene.recorder.tick()
    states = await ground.tasks.count()
    assert states["default"] == {
        TaskState.SUCCEEDED: 2,
        TaskState.QUEUED: 1,
        TaskState.BLOCKED: 1,
    }
    assert scene.holdings.lease_ids() == []


async def test_a_success_that_is_written_again_submits_nothing_again(
    scene: Scene, ground: Ground
) -> None:
    _, ending = await following(scene, ground, NewTask(kind="trial"))
    first = await ground.worker.finish_and_submit(ending)
    again = await ground.worker.finish_and_submit(ending)
    assert [(each.state, each.open) for each in (*first, *again)] == [
        (TaskState.SUCCEEDED, 0),
        (TaskState.SUCCEEDED, None),
    ]
    assert (await ground.tasks.count())["default"][TaskState.QUEUED] == 1


async def test_a_stale_success_submits_nothing(scene: Scene, ground: Ground) -> None:
    task, ending = await following(scene, ground, NewTask(kind="trial"))
    lost = Ending(task.id, task.lease_id, Move.RETRY, OutcomeName.FAILED, backoff_seconds=60)
    await ground.worker.finish([lost])
    assert await ground.worker.finish_and_submit(ending) == []
    assert await ground.tasks.count() == {"default": {TaskState.SCHEDULED: 1}}


async def test_a_success_that_nothing_may_follow_is_a_failure_and_says_so(
    scene: Scene, ground: Ground
) -> None:
    new = [NewTask(kind="trial"), NewTask(kind="trial", after=("nobody",))]
    task, ending = await following(scene, ground, *new)
    scene.recorder.record(ending, None, task)
    await scene.recorder.tick()
    record = await ground.tasks.read(task.id)
    assert record.state is TaskState.FAILED
    assert record.error is not None
    assert "a task that was to follow it is refused: a task comes after 'nobody'" in record.error
    assert await ground.tasks.count() == {"default": {TaskState.FAILED: 1}}
