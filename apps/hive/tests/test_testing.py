"""The helpers for tests of who uses Hive: drains, travel, lost workers, and what was submitted."""

import os
import sys
from collections.abc import AsyncGenerator, Generator
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import ANY, AsyncMock

import asyncpg
import pytest
import pytest_asyncio

from hive.testing import HiveForTests, SyncHiveForTests, capture_submits, running_hive
from hive.testing.servers import HivePlace
from hive_client import NewTask, TaskFailedError
from hive_contracts.errors import ConfigurationError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.limits import Limit, LimitScope
from hive_contracts.states import TaskState
from hive_store.rehearsal_store import RehearsalStore
from hive_store.submitting import HELD_UNTIL
from hive_testkit.waiting import until

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def errands(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of functions."""
    functions = Path(__file__).parent / "functions"
    monkeypatch.setattr("sys.path", [*sys.path, str(functions)])
    errands: Any = import_module("errands")
    errands.done.clear()
    return errands


@pytest_asyncio.fixture
async def tested(hive_place: HivePlace) -> AsyncGenerator[HiveForTests]:
    async with hive_place.connect() as hive:
        yield hive


@pytest.fixture
def sync_tested(hive_place: HivePlace) -> Generator[SyncHiveForTests]:
    with SyncHiveForTests.at(hive_place) as hive:
        yield hive


async def test_a_drain_runs_functions_here_and_commands_for_real(
    tested: HiveForTests, errands: Any, tmp_path: Path
) -> None:
    await tested.submit(errands.mail, "ann")
    await tested.submit(errands.where)
    await tested.submit("command", {"argv": ["touch", str(tmp_path / "made")]})
    ran = await tested.drain()
    assert [task.state for task in ran] == ["succeeded"] * 3
    assert [task.result for task in ran[:2]] == ["hello, ann", os.getpid()]
    assert errands.done == ["ann"]
    assert (tmp_path / "made").exists()
    assert await tested.tasks.count_orphans() == 0
    assert await tested.drain() == []


@pytest.mark.parametrize("name", ["sum_up", "sum_up_in_the_loop"])
async def test_a_task_that_asks_is_answered_and_finds_what_tasks_find(
    tested: HiveForTests, errands: Any, name: str
) -> None:
    parent = await tested.submit(errands.mail, "ann")
    task_id = await tested.with_options(after=[parent]).submit(getattr(errands, name), "Go?")
    [_, asked] = await tested.drain()
    assert (asked.state, [q.question for q in asked.questions]) == ("blocked", ["Go?"])
    await tested.answer(task_id, "yes")
    [answered, followed] = await tested.drain()
    assert answered.result == "yes ['hello, ann']"
    assert (followed.kind, followed.state) == ("command", "succeeded")


async def test_a_drain_keeps_to_limits_and_pauses(tested: HiveForTests, errands: Any) -> None:
    for name in ("ann", "bob", "cy"):
        await tested.submit(errands.mail, name)
    await tested.pause_queue("default")
    assert await tested.drain() == []
    await tested.resume_queue("default")
    await tested.set_limit(Limit(scope=LimitScope.KIND, target="call", max_running=1))
    assert [task.state for task in await tested.drain(at_most=1)] == ["succeeded"]
    await tested.set_limit(Limit(scope=LimitScope.KIND, target="call", rate=0.01, burst=1))
    assert len(await tested.drain()) <= 1
    await tested.travel(timedelta(seconds=250))
    await tested.drain()
    await tested.travel(timedelta(seconds=250))
    await tested.drain()
    assert sorted(errands.done) == ["ann", "bob", "cy"]


async def test_what_the_test_has_patched_is_what_runs(
    tested: HiveForTests, errands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tested.submit(errands.mail, "ann")
    patched = AsyncMock(return_value="patched")
    monkeypatch.setattr(errands, "mail", patched)
    [task] = await tested.drain()
    assert task.result == "patched"
    patched.assert_awaited_once_with("ann")


async def test_a_function_that_is_not_async_may_run_a_loop_of_its_own(
    tested: HiveForTests, errands: Any
) -> None:
    await tested.submit(errands.loop_of_its_own)
    [task] = await tested.drain()
    assert task.result == "hello, loop"


async def test_functions_of_allowed_modules_run_as_on_workers(
    tested: HiveForTests, errands: Any
) -> None:
    await tested.submit(errands.where)
    [task] = await tested.drain(allow=["errands"])
    assert task.result != os.getpid()
    await tested.submit(errands.where)
    with pytest.raises(TaskFailedError, match="may not be called"):
        await tested.drain(allow=["another"])


async def test_what_a_task_submits_is_run_too(tested: HiveForTests, errands: Any) -> None:
    await tested.submit(errands.mail_later, "bob")
    assert len(await tested.drain()) == 2
    assert errands.done == ["bob"]


async def test_a_drain_stops_where_it_is_told_to_and_never_goes_on_for_ever(
    tested: HiveForTests, errands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.testing.draining.MOST_ATTEMPTS", 5)
    await tested.submit(errands.again)
    assert len(await tested.drain(at_most=7)) == 7
    with pytest.raises(UsageError, match="5 attempts have run and there are more"):
        await tested.drain()


async def test_a_drain_of_one_queue_leaves_the_others(tested: HiveForTests, errands: Any) -> None:
    one, other = [
        await tested.with_options(queue=queue).submit(errands.mail, queue)
        for queue in ("one", "other")
    ]
    assert [task.id for task in await tested.drain(queue="one")] == [one]
    assert [task.id for task in await tested.drain()] == [other]


async def test_a_failure_is_raised_with_what_the_function_has_raised(
    tested: HiveForTests, errands: Any
) -> None:
    await tested.with_options(max_attempts=1).submit(errands.explode, "bang")
    after = await tested.submit(errands.mail, "ann")
    with pytest.raises(TaskFailedError, match="bang") as raised:
        await tested.drain()
    assert isinstance(raised.value.__cause__, ValueError)
    assert [task.id for task in await tested.drain()] == [after]


async def test_retries_and_future_tasks_run_when_time_is_let_pass(
    tested: HiveForTests, errands: Any
) -> None:
    began = await tested.now()
    await tested.submit(errands.explode, "bang")
    await tested.with_options(delay=24 * HOUR).submit(errands.mail, "tomorrow")
    assert [task.state for task in await tested.drain(raising=False)] == ["scheduled"]
    ran = await tested.drain(with_scheduled=True, raising=False)
    assert [(task.state, task.attempt) for task in ran] == [
        ("scheduled", 2),
        ("failed", 3),
        ("succeeded", 1),
    ]
    assert await tested.now() - began > 23 * HOUR


async def test_with_time_let_pass_only_the_last_failure_is_raised(
    tested: HiveForTests, errands: Any
) -> None:
    task_id = await tested.submit(errands.explode, "bang")
    with pytest.raises(TaskFailedError, match="bang"):
        await tested.drain(with_scheduled=True)
    assert (await tested.show(task_id)).attempt == 3


async def test_a_task_that_is_held_back_is_waited_for_by_no_drain(tested: HiveForTests) -> None:
    await tested.submit("command", {"argv": ["true"]}, run_at=HELD_UNTIL)
    assert await tested.drain(with_scheduled=True) == []
    assert tested.travelled == timedelta(0)


async def test_a_kind_that_nobody_has_fails_the_drain(tested: HiveForTests) -> None:
    await tested.submit("juggle")
    with pytest.raises(TaskFailedError, match="no executor for kind 'juggle'"):
        await tested.drain(with_scheduled=True)


async def test_what_is_due_by_then_is_due_after_a_travel(
    tested: HiveForTests, errands: Any
) -> None:
    await tested.with_options(delay=2 * HOUR).submit(errands.mail, "ann")
    await tested.travel(HOUR)
    assert await tested.drain() == []
    await tested.travel_to(await tested.now() + HOUR)
    assert len(await tested.drain()) == 1
    with pytest.raises(UsageError, match="time goes on"):
        await tested.travel(-HOUR)
    with pytest.raises(UsageError, match="needs a time zone"):
        await tested.travel_to(datetime(2030, 1, 1))  # noqa: DTZ001 - what is refused


async def test_a_task_whose_worker_is_lost_is_queued_again_until_it_was_lost_too_often(
    tested: HiveForTests, errands: Any
) -> None:
    ahead, task_id = [await tested.submit(errands.mail, to) for to in ("ann", "bob")]
    states = [await tested.lose_worker(task_id) for _ in range(3)]
    assert [(task.state, task.losses, task.attempt) for task in states] == [
        ("queued", 1, 1),
        ("queued", 2, 2),
        ("failed", 3, 3),
    ]
    assert [(task.id, task.attempt) for task in await tested.drain()] == [(ahead, 1)]
    with pytest.raises(UsageError, match="is failed, and no worker has it"):
        await tested.lose_worker(task_id)


async def test_a_lease_that_its_worker_renews_meanwhile_is_lost_all_the_same(
    tested: HiveForTests, errands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lapse, lapsed = RehearsalStore.lapse, list[TaskId]()

    async def lapse_and_renew(store: RehearsalStore, task_id: TaskId) -> bool:
        was_held = await lapse(store, task_id)
        if not lapsed:
            async with tested.tasks.line.lent() as connection:
                await connection.execute("update hive.lease set expires_at = now() + '1 hour'")
        lapsed.append(task_id)
        return was_held

    monkeypatch.setattr(RehearsalStore, "lapse", lapse_and_renew)
    task_id = await tested.submit(errands.mail, "ann")
    assert (await tested.lose_worker(task_id)).losses == 1
    assert lapsed == [task_id] * 2


async def test_functions_are_meant_by_themselves_and_arguments_by_their_names(
    tested: HiveForTests, errands: Any
) -> None:
    task_id = await tested.with_options(queue="post", delay=HOUR).submit(errands.mail, "ann")
    for wanted in ({}, {"to": "ann"}, {"to": ANY, "subject": "hello"}):
        [task] = await tested.assert_submitted(errands.mail, wanted, queue="post", delay=HOUR)
        assert task.id == task_id
    assert await tested.submitted(errands.mail, {"to": "bob"}) == []
    await tested.assert_nothing_submitted(errands.where)
    await tested.submit(errands.where, floor="third")
    await tested.assert_submitted(errands.where, {"floor": "third"}, count=1)


async def test_a_payload_is_meant_in_part(tested: HiveForTests) -> None:
    await tested.submit("command", {"argv": ["ls", "-l"], "env": {"A": "1", "B": "2"}})
    await tested.assert_submitted("command", {"env": {"A": "1"}}, count=1, max_attempts=1)
    await tested.assert_submitted(payload={"argv": ("ls", ANY)})
    for other in ({"argv": ["ls"]}, {"env": {"C": "3"}}, {"cwd": "/"}):
        await tested.assert_nothing_submitted("command", other)


async def test_a_message_says_what_was_there_and_what_did_not_fit(
    tested: HiveForTests, errands: Any
) -> None:
    await tested.submit("command", {"argv": ["true"]})
    await tested.submit(errands.mail, "bob" * 500)
    with pytest.raises(AssertionError) as raised:
        await tested.assert_submitted(errands.mail, {"to": "ann"})
    first, total, nearest, difference, *_ = str(raised.value).splitlines()
    assert first == "no task was submitted like this: a call of errands:mail, {'to': 'ann'}"
    assert total == "2 tasks were submitted in all, what fits best first:"
    assert nearest.startswith("  task 2: a call of errands:mail('bob")
    assert difference.endswith("not 'ann'")
    assert len(str(raised.value)) < 1000
    with pytest.raises(AssertionError, match="2 tasks were submitted like this, not 1: any task"):
        await tested.assert_submitted(count=1)
    with pytest.raises(AssertionError, match="2 tasks were submitted like this, not none"):
        await tested.assert_nothing_submitted()
    with pytest.raises(UsageError, match="is a dict, not 'ann'"):
        await tested.assert_submitted(errands.mail, "ann")  # pyright: ignore[reportArgumentType]


async def test_what_is_rolled_back_is_captured_and_was_not_submitted(
    tested: HiveForTests, hive_place: HivePlace, errands: Any
) -> None:
    await tested.submit(errands.mail, "before")
    connection = await asyncpg.connect(hive_place.database_url)
    transaction = connection.transaction()
    await transaction.start()
    with capture_submits() as captured:
        await tested.within(connection).submit(errands.mail, "ann")
    await transaction.rollback()
    await connection.close()
    captured.assert_submitted(errands.mail, {"to": "ann"}, count=1)
    captured.assert_nothing_submitted(errands.mail, {"to": "before"})
    await tested.assert_nothing_submitted(errands.mail, {"to": "ann"})
    with capture_submits() as captured:
        await tested.submit_many([NewTask(kind="command", payload={"argv": ("true",)})] * 2)
    assert [task.payload for task in captured.submitted("command")] == [{"argv": ["true"]}] * 2


def test_all_of_it_works_without_asyncio(sync_tested: SyncHiveForTests, errands: Any) -> None:
    sync_tested.submit(errands.mail_later, "ann")
    sync_tested.with_options(delay=HOUR).submit(errands.where)
    with sync_tested.capture_submits() as captured:
        assert len(sync_tested.drain()) == 2
    captured.assert_submitted(errands.mail, {"to": "ann"}, count=1)
    began = sync_tested.now()
    [late] = sync_tested.drain(with_scheduled=True)
    assert late.result == os.getpid()
    assert sync_tested.now() - began > HOUR / 2
    sync_tested.travel(HOUR)
    sync_tested.travel_to(sync_tested.now() + HOUR)
    sync_tested.assert_submitted(errands.mail, count=1)
    sync_tested.assert_nothing_submitted("command")
    assert len(sync_tested.submitted()) == 3
    task_id = sync_tested.submit(errands.mail, "bob")
    assert sync_tested.lose_worker(task_id).state is TaskState.QUEUED


async def test_a_worker_of_a_running_hive_can_be_lost(hive_place: HivePlace) -> None:
    async with running_hive(
        slots=2, settings={"worker.heartbeat_seconds": 0.5}, place=hive_place
    ) as hive:
        task_id = await hive.submit("command", {"argv": ["sleep", "600"]})

        async def is_running() -> bool:
            return (await hive.show(task_id)).state is TaskState.RUNNING

        await until(is_running, within_seconds=60)
        assert (await hive.lose_worker(task_id)).losses == 1
        await hive.cancel(task_id)
        ended = await hive.wait(task_id, within=timedelta(minutes=1))
        assert ended.state is TaskState.CANCELLED


async def test_a_running_hive_runs_functions_and_tells_what_was_said_when_a_test_fails(
    errands: Any,
) -> None:
    async def test_of_a_user() -> None:
        async with running_hive(allow=["errands"]) as hive:
            task_id = await hive.submit(errands.where)
            ended = await hive.wait(task_id, within=timedelta(minutes=1))
            assert ended.result_or_raise() == os.getpid()

    with pytest.raises(AssertionError) as raised:
        await test_of_a_user()
    assert "the end of the log of worker-1" in "".join(raised.value.__notes__)


async def test_settings_that_there_are_not_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"there is no setting 'worker\.slotz'"):
        async with running_hive(settings={"worker.slotz": 1}):
            pass
