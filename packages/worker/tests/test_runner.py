"""Whatever an executor does, its attempt ends with an outcome, and its slot lives on."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from hive_contracts.errors import (
    MalformedPayloadError,
    OpenBreakerError,
    SpentBudgetError,
    StaleLeaseError,
)
from hive_contracts.execution import Attempt, Tools
from hive_contracts.ids import TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import (
    Asked,
    Cancelled,
    Failed,
    OutcomeName,
    OverBudget,
    Parked,
    Released,
    Succeeded,
)
from hive_contracts.sealing import Sealer
from hive_contracts.sizes import MAX_VALUE_BYTES
from hive_contracts.states import Move
from hive_contracts.tasks import ParentResult, Question
from hive_store.worker_store import Ending, LeasedTask
from hive_testkit.attempts import make_task
from hive_testkit.clocks import ManualClock
from hive_testkit.trial import Gate, NoSpawner, Stage
from hive_testkit.waiting import until
from hive_worker.attempts import RunningAttempt
from hive_worker.executors import Executors
from hive_worker.holdings import Holdings
from hive_worker.runner import Runner
from hive_worker.settings import WorkerSettings

CALLED_OFF = Released("the test has called it off")


class Notebook:
    """Keeps what a runner has recorded. Satisfies `Records`."""

    def __init__(self) -> None:
        self.endings: list[Ending] = []
        self.started: list[RunningAttempt] = []
        self.room = asyncio.Event()
        self.room.set()
        self.is_stale = False
        self.kept_by: str | None = None
        self.budget: tuple[str, datetime | None] | None = None

    def record(self, ending: Ending, attempt: RunningAttempt | None, task: Task) -> None:
        self.endings.append(ending)

    async def write_start(self, attempt: RunningAttempt) -> None:
        await asyncio.sleep(0)
        if self.is_stale:
            raise StaleLeaseError(attempt.task.id, attempt.task.lease_id)
        if self.kept_by is not None:
            raise OpenBreakerError(attempt.task.id, self.kept_by)
        if self.budget is not None:
            raise SpentBudgetError(attempt.task.id, *self.budget)
        self.started.append(attempt)

    async def read_parents(self, task_id: TaskId) -> list[ParentResult]:
        raise NotImplementedError(task_id)

    async def spend(self, attempt: RunningAttempt) -> str | None:
        raise NotImplementedError(attempt.task.id)

    async def read_answers(self, task_id: TaskId) -> list[Question]:
        raise NotImplementedError(task_id)

    @property
    def has_room(self) -> bool:
        return self.room.is_set()

    async def wait_for_room(self) -> None:
        await self.room.wait()


class Scene:
    """A runner with one slot, whose executor does what the stage says."""

    def __init__(self, executors: Executors, stage: Stage, *, sealer: Sealer | None = None) -> None:
        self.stage = stage
        self.notebook = Notebook()
        self.holdings = Holdings()
        self.clock = ManualClock()
        self.runner = Runner(
            executors,
            self.notebook,
            self.holdings,
            settings=WorkerSettings(),
            clock=self.clock,
            sealer=sealer,
        )

    async def run(self, task: Task, *, is_cancelled: bool = False) -> Ending:
        """Run an attempt under a lease that is held; return what was recorded of it."""
        self.holdings.take(task.lease_id, {task.id})
        async with asyncio.timeout(10):
            await self.runner.run(LeasedTask(task, is_cancelled))
        return self.notebook.endings[-1]

    @asynccontextmanager
    async def running(self, task: Task) -> AsyncGenerator[None]:
        """Run an attempt in a slot of its own, beside the body; it must end by itself."""
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(self.run(task))
            await until(lambda: task.id in self.runner.running)
            yield


@pytest.fixture
async def scene(trial_kind: None) -> AsyncGenerator[Scene]:
    stage = Stage()
    async with Executors.open(Tools(spawner=NoSpawner(), settings=(stage,))) as executors:
        yield Scene(executors, stage)


def task(**changes: Any) -> Task:
    return make_task("trial", {}).replaced(**changes)


def returning(outcome: Any) -> Callable[[Attempt], Any]:
    async def play(_: Attempt) -> Any:
        return outcome

    return play


def raising(error: BaseException) -> Callable[[Attempt], Any]:
    async def play(_: Attempt) -> Any:
        raise error

    return play


async def test_a_result_is_recorded_as_json(scene: Scene) -> None:
    scene.stage.play = returning(Succeeded({"answer": 42}))
    ending = await scene.run(task())
    assert (ending.move, ending.outcome) == (Move.SUCCEED, OutcomeName.SUCCEEDED)
    assert (ending.result, ending.error) == ('{"answer":42}', None)
    assert not scene.runner.running


async def test_the_time_it_ran_is_recorded(scene: Scene) -> None:
    async def play(_: Attempt) -> Any:
        scene.clock.pass_seconds(2.5)
        return Succeeded(None)

    scene.stage.play = play
    assert (await scene.run(task())).run_seconds == 2.5


async def test_a_failure_is_tried_again_after_a_back_off_while_attempts_are_left(
    scene: Scene,
) -> None:
    scene.stage.play = returning(Failed("it broke"))
    retried = await scene.run(task(max_attempts=3, failures=1))
    assert (retried.move, retried.error) == (Move.RETRY, "it broke")
    assert retried.backoff_seconds is not None
    assert 1 <= retried.backoff_seconds <= 2
    last = await scene.run(task(max_attempts=3, failures=2))
    assert (last.move, last.backoff_seconds) == (Move.FAIL, None)


async def test_a_failure_for_good_is_not_tried_again_and_keeps_its_result(scene: Scene) -> None:
    scene.stage.play = returning(Failed("no", is_retryable=False, result={"code": 3}))
    ending = await scene.run(task(max_attempts=3))
    assert (ending.move, ending.result) == (Move.FAIL, '{"code":3}')


async def test_a_policy_says_how_long_a_task_waits_and_the_default_stays_without_one(
    scene: Scene,
) -> None:
    scene.stage.play = returning(Failed("no"))
    waits = [
        (await scene.run(task(max_attempts=9, failures=n, retry="5s, 1m"))).backoff_seconds
        for n in (0, 1, 2)
    ]
    assert waits == [5, 60, 60]
    unsaid = await scene.run(task(max_attempts=9, retry="only on timed_out, 75"))
    assert (unsaid.move, unsaid.backoff_seconds) == (Move.FAIL, None)


async def test_a_failure_that_a_policy_does_not_name_is_the_last_and_says_so(scene: Scene) -> None:
    policy = "fixed(1s) only on 75, timed_out"
    scene.stage.play = returning(Failed("exit code 75", names=("75",)))
    assert (await scene.run(task(max_attempts=3, retry=policy))).move is Move.RETRY
    scene.stage.play = returning(Failed("exit code 1", names=("1",)))
    last = await scene.run(task(max_attempts=3, retry=policy))
    assert last.move is Move.FAIL
    assert last.error == "exit code 1 (not tried again: it is retried only on 75, timed_out)"
    scene.stage.play = Gate()
    slow = task(max_attempts=3, retry=policy, timeout=timedelta(seconds=0.02))
    assert (await scene.run(slow)).move is Move.RETRY


async def test_a_policy_that_nobody_can_read_is_as_none(scene: Scene) -> None:
    scene.stage.play = returning(Failed("no"))
    ending = await scene.run(task(max_attempts=3, retry="exponential(soon)"))
    assert ending.move is Move.RETRY
    assert ending.backoff_seconds is not None


async def test_what_asks_to_be_set_aside_is_no_failure(scene: Scene) -> None:
    then = datetime(2100, 1, 1, tzinfo=UTC)
    for parked, seconds, until_then in (
        (Parked("later", again_after=timedelta(minutes=1)), 60, None),
        (Parked("then", until=then), None, then),
        (Parked("some day"), None, None),
        (Parked("429", again_after=timedelta(minutes=1), opens_breaker=True), 60, None),
        (Parked("429", opens_breaker=True), None, None),
    ):
        scene.stage.play = returning(parked)
        ending = await scene.run(task())
        assert (ending.move, ending.outcome) == (Move.PARK, OutcomeName.RELEASED)
        assert (ending.error, ending.run_seconds) == (parked.reason, 0)
        assert (ending.backoff_seconds, ending.until) == (seconds, until_then)
        assert ending.opens_breaker is parked.opens_breaker


async def test_who_asks_a_person_is_no_failure_either(scene: Scene) -> None:
    scene.stage.play = returning(Asked("May it go?" * 2000, ("yes", "n" * 300)))
    ending = await scene.run(task())
    assert (ending.move, ending.outcome) == (Move.ASK, OutcomeName.RELEASED)
    assert len(ending.error or "") == 10_000
    assert ending.options == ("yes", "n" * 200)


async def test_who_is_over_a_budget_has_failed_and_is_not_tried_again(scene: Scene) -> None:
    scene.stage.play = returning(OverBudget("5 of 5 USD are spent", {"turns": 3}))
    ending = await scene.run(task(max_attempts=3))
    assert (ending.move, ending.outcome) == (Move.FAIL, OutcomeName.BUDGET)
    assert (ending.error, ending.result) == ("5 of 5 USD are spent", '{"turns":3}')


async def test_who_may_not_begin_for_a_budget_is_set_aside_until_there_is_a_new_one(
    scene: Scene,
) -> None:
    then = datetime(2100, 1, 1, tzinfo=UTC)
    for end in (then, None):
        scene.notebook.budget = ("budget all is used up", end)
        ending = await scene.run(task(writes_start=True))
        assert (ending.move, ending.error) == (Move.PARK, "budget all is used up")
        assert (ending.until, ending.backoff_seconds) == (end, None)


async def test_an_attempt_that_runs_too_long_is_stopped_and_says_so(scene: Scene) -> None:
    scene.stage.play = Gate()
    ending = await scene.run(task(timeout=timedelta(seconds=0.02)))
    assert (ending.move, ending.outcome) == (Move.FAIL, OutcomeName.TIMED_OUT)
    assert ending.error == "it ran longer than its time-out of 0.02 s"


async def test_stopping_is_not_interrupted_by_a_second_reason_to_stop(scene: Scene) -> None:
    tidied = asyncio.Event()
    cancellations = 0

    async def play(_: Attempt) -> Any:
        nonlocal cancellations
        try:
            await asyncio.Event().wait()
        finally:
            while not tidied.is_set():
                try:
                    await tidied.wait()
                except asyncio.CancelledError:
                    cancellations += 1

    scene.stage.play = play
    slow = task(timeout=timedelta(seconds=0.02))
    async with scene.running(slow):
        await until(lambda: scene.runner.running[slow.id].verdict is not None)
        scene.runner.call_off([slow.id], Cancelled())
        scene.runner.call_off([slow.id], CALLED_OFF)
        for _ in range(5):
            await asyncio.sleep(0)
        tidied.set()
    assert cancellations == 0
    assert scene.notebook.endings[-1].outcome is OutcomeName.TIMED_OUT


async def test_a_task_called_off_while_it_runs_ends_as_cancelled(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    running = task()
    async with scene.running(running):
        await gate.entered.wait()
        scene.runner.call_off([running.id], Cancelled())
    assert scene.notebook.endings[-1].move is Move.CANCEL
    assert gate.inside == 0


async def test_the_slot_of_a_task_that_was_called_off_runs_the_next_one(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    first, second = task(), task()

    async def one_after_another() -> None:
        await scene.run(first)
        await scene.run(second)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        slot = group.create_task(one_after_another())
        await gate.entered.wait()
        scene.runner.call_off([first.id], CALLED_OFF)
        await until(lambda: len(scene.notebook.endings) == 1 and bool(scene.runner.running))
        assert slot.cancelling() == 0
        gate.open()
    assert [e.move for e in scene.notebook.endings] == [Move.RELEASE, Move.SUCCEED]


async def test_what_succeeded_in_the_moment_it_was_called_off_has_succeeded(scene: Scene) -> None:
    async def play(attempt: Attempt) -> Any:
        scene.runner.call_off([attempt.task.id], Cancelled())
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return Succeeded("done all the same")

    scene.stage.play = play
    assert (await scene.run(task())).move is Move.SUCCEED


async def test_the_first_reason_to_stop_is_the_one_recorded(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    running = task()
    async with scene.running(running):
        await gate.entered.wait()
        scene.runner.call_off([running.id], CALLED_OFF)
        scene.runner.call_off([running.id], Cancelled())
    ending = scene.notebook.endings[-1]
    assert (ending.outcome, ending.error) == (OutcomeName.RELEASED, CALLED_OFF.reason)


async def test_an_attempt_that_is_over_cannot_be_called_off(scene: Scene) -> None:
    await scene.run(task(writes_start=True))
    [over] = scene.notebook.started
    over.call_off(Cancelled())
    await asyncio.sleep(0)  # the slot, which is this test, would be cancelled here
    assert over.verdict is None


async def test_calling_off_a_lease_stops_only_what_runs_under_it(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    ours, theirs = task(), task(id=2)
    async with scene.running(ours), scene.running(theirs):
        await until(lambda: gate.inside == 2)
        scene.runner.call_off_lease(theirs.lease_id, CALLED_OFF)
        await until(lambda: bool(scene.notebook.endings))
        assert gate.inside == 1
        gate.open()
    assert {e.task_id: e.move for e in scene.notebook.endings} == {
        2: Move.RELEASE,
        1: Move.SUCCEED,
    }


async def test_a_task_of_a_lease_that_is_not_held_is_not_begun(scene: Scene) -> None:
    await scene.runner.run(LeasedTask(task(), is_cancelled=False))
    scene.runner.give_up(task(), CALLED_OFF)
    assert scene.notebook.endings == []
    assert scene.stage.seen == []


async def test_a_task_called_off_before_it_began_is_not_begun(scene: Scene) -> None:
    ending = await scene.run(task(), is_cancelled=True)
    assert (ending.move, ending.run_seconds) == (Move.CANCEL, None)
    assert scene.stage.seen == []


async def test_a_task_whose_earlier_attempt_is_still_stopping_is_given_back(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    async with scene.running(task()):
        ending = await scene.run(task())
        assert ending.move is Move.RELEASE
        assert gate.most_inside == 1
        gate.open()


async def test_a_kind_that_is_not_installed_here_is_left_to_others_after_a_pause(
    scene: Scene,
) -> None:
    ending = await scene.run(task(kind="nonsense", max_attempts=1))
    assert (ending.move, ending.outcome) == (Move.POSTPONE, OutcomeName.RELEASED)
    assert ending.run_seconds is None
    assert ending.error is not None
    assert ending.error.startswith("its worker has no executor for kind 'nonsense'; installed: ")
    assert scene.stage.seen == []


@pytest.mark.parametrize(("given_back", "least", "most"), [(0, 0.5, 1), (3, 4, 8), (500, 30, 60)])
async def test_the_pause_before_another_look_for_a_kind_grows_to_a_minute(
    scene: Scene, given_back: int, least: float, most: float
) -> None:
    ending = await scene.run(task(kind="nonsense", given_back=given_back))
    assert ending.backoff_seconds is not None
    assert least <= ending.backoff_seconds <= most


async def test_a_start_is_written_first_where_it_must_be(scene: Scene) -> None:
    written_before_play = None

    async def play(attempt: Attempt) -> Any:
        nonlocal written_before_play
        written_before_play = len(scene.notebook.started)
        await attempt.announce_start()
        return Succeeded(None)

    scene.stage.play = play
    await scene.run(task(writes_start=True))
    assert written_before_play == 1
    assert len(scene.notebook.started) == 1


async def test_nothing_runs_under_a_lease_whose_start_is_refused(scene: Scene) -> None:
    scene.notebook.is_stale = True
    ending = await scene.run(task(writes_start=True))
    assert (ending.move, ending.error) == (Move.RELEASE, "its lease is gone")
    assert scene.stage.seen == []


async def test_what_its_breaker_keeps_is_given_back_and_does_not_run(scene: Scene) -> None:
    scene.notebook.kept_by = "anthropic:team"
    ending = await scene.run(task(writes_start=True))
    assert (ending.move, ending.outcome) == (Move.POSTPONE, OutcomeName.RELEASED)
    assert ending.error == "breaker anthropic:team is open"
    assert scene.stage.seen == []


async def test_a_refused_start_that_the_executor_lets_pass_is_no_failure(scene: Scene) -> None:
    scene.notebook.is_stale = True

    async def play(attempt: Attempt) -> Any:
        await attempt.announce_start()

    scene.stage.play = play
    assert (await scene.run(task())).move is Move.RELEASE


async def test_a_task_that_waits_for_room_can_be_called_off(scene: Scene) -> None:
    scene.notebook.room.clear()
    waiting = task()
    async with scene.running(waiting):
        scene.runner.call_off([waiting.id], CALLED_OFF)
    assert scene.notebook.endings[-1].move is Move.RELEASE
    assert scene.stage.seen == []


@pytest.mark.parametrize(
    "result", [float("nan"), [float("inf")], "a\x00b", {"k\x00": 1}, "\ud800", object()]
)
async def test_a_result_that_cannot_be_stored_fails_for_good_and_says_so(
    scene: Scene, result: object
) -> None:
    scene.stage.play = returning(Succeeded(result))
    ending = await scene.run(task(max_attempts=3))
    assert (ending.move, ending.result) == (Move.FAIL, None)
    assert ending.error is not None
    assert ending.error.startswith("its result was refused: ")


@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀"])
async def test_a_result_is_kept_up_to_the_limit_and_refused_a_byte_over_it(
    scene: Scene, letter: str
) -> None:
    count, rest = divmod(MAX_VALUE_BYTES - 2, len(letter.encode()))
    rest += len(letter.encode())
    for over, is_kept in ((-1, True), (0, True), (1, False)):
        scene.stage.play = returning(Succeeded(letter * (count - 1) + "." * (rest + over)))
        ending = await scene.run(task(max_attempts=3))
        assert (ending.result is not None) is is_kept
        assert ending.move is (Move.SUCCEED if is_kept else Move.FAIL)
    assert ending.error == (
        "its result was refused: it is 1,048,577 bytes; at most 1,048,576 (1 MiB) are kept."
        " Write it to a file, and return the file's path"
    )


class Padding:
    """Seals by making longer. Satisfies `Sealer`, as far as a runner uses one."""

    def opened(self, task: Task) -> Task:
        return task

    def sealed_result(self, task: Task, result: str) -> str:
        return f'{{"sealed": {result}}}'


async def test_the_limit_of_a_sealed_result_is_of_what_is_stored(trial_kind: None) -> None:
    stage = Stage()
    async with Executors.open(Tools(spawner=NoSpawner(), settings=(stage,))) as executors:
        scene = Scene(executors, stage, sealer=cast("Sealer", Padding()))
        around = len('{"sealed": ""}')
        for size, is_kept in ((MAX_VALUE_BYTES - around, True), (MAX_VALUE_BYTES - 2, False)):
            stage.play = returning(Succeeded("x" * size))
            ending = await scene.run(task())
            assert (ending.result is not None) is is_kept


async def test_a_failure_with_a_result_that_cannot_be_stored_keeps_its_error(
    scene: Scene,
) -> None:
    scene.stage.play = returning(Failed("exit code 3", result=float("nan")))
    ending = await scene.run(task(max_attempts=3))
    assert ending.move is Move.RETRY
    assert ending.error is not None
    assert ending.error.startswith("exit code 3 (its result was refused: ")


async def test_an_error_that_an_executor_raises_is_a_failure_of_its_attempt(
    scene: Scene,
) -> None:
    scene.stage.play = raising(ValueError("no such thing"))
    ending = await scene.run(task(max_attempts=2))
    assert (ending.move, ending.error) == (
        Move.RETRY,
        "its executor raised ValueError: no such thing",
    )


async def test_an_error_that_no_retry_can_mend_fails_for_good(scene: Scene) -> None:
    scene.stage.play = raising(MalformedPayloadError("trial", "no field 'x'"))
    assert (await scene.run(task(max_attempts=2))).move is Move.FAIL


async def test_an_executor_that_cancels_itself_does_not_end_its_slot(scene: Scene) -> None:
    scene.stage.play = raising(asyncio.CancelledError())
    ending = await scene.run(task())
    assert (ending.move, ending.error) == (Move.FAIL, "its executor was cancelled from within")


async def test_what_is_no_outcome_is_a_failure(scene: Scene) -> None:
    scene.stage.play = returning(None)
    ending = await scene.run(task())
    assert ending.error == "the executor of 'trial' returned None, which is no outcome"


async def test_the_end_of_the_worker_is_no_outcome(scene: Scene) -> None:
    scene.stage.play = gate = Gate()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        slot = group.create_task(scene.run(task()))
        await gate.entered.wait()
        slot.cancel()
    assert slot.cancelled()
    assert scene.notebook.endings == []
    assert not scene.runner.running


async def test_what_is_meant_for_the_whole_process_passes(scene: Scene) -> None:
    class LeaveNow(BaseException):
        pass

    scene.stage.play = raising(LeaveNow())
    with pytest.raises(LeaveNow):
        await scene.run(task())
