"""How tasks are treated that are submitted: one by one, many at once, and as they come."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from hive_bus.bus import Bus
from hive_calls.demonstration import echo
from hive_client import Hive, NewTask, TaskId, call, payloads
from hive_contracts.errors import (
    ConfigurationError,
    MalformedPayloadError,
    RefusedTaskError,
    UsageError,
)
from hive_contracts.events import EventFrame
from hive_contracts.execution import EXECUTOR_GROUP
from hive_contracts.states import TaskState
from hive_store import submitting

FEW_MINUTES = timedelta(minutes=5)


async def test_every_option_is_kept(hive: Hive) -> None:
    run_at = datetime.now(UTC) + FEW_MINUTES
    task_id = await hive.submit(
        "trial",
        payload=[1],
        queue="side",
        priority=7,
        run_at=run_at,
        max_attempts=9,
        max_losses=0,
        timeout=FEW_MINUTES,
        group="nightly",
    )
    record = await hive.show(task_id)
    assert (record.payload, record.queue, record.priority) == ([1], "side", 7)
    assert (record.run_at, record.max_attempts, record.max_losses) == (run_at, 9, 0)
    assert (record.timeout, record.group) == (FEW_MINUTES, "nightly")


async def test_options_stand_before_a_function_whose_arguments_may_have_their_names(
    hive: Hive,
) -> None:
    side = hive.with_options(queue="side", timeout=FEW_MINUTES)
    record = await hive.show(await side.submit(queue_up, queue="of people", timeout=3))
    assert record.payload["kwargs"] == {"queue": "of people", "timeout": 3}
    assert (record.queue, record.timeout) == ("side", FEW_MINUTES)


def queue_up(queue: str, timeout: int) -> None:
    raise NotImplementedError(queue, timeout)


async def test_what_is_said_last_wins(hive: Hive) -> None:
    side = hive.with_options(queue="side", priority=3)
    record = await hive.show(await side.with_options(priority=4).submit("trial", queue="other"))
    assert (record.queue, record.priority) == ("other", 4)
    assert (await hive.show(await hive.submit("trial"))).queue == "default"


async def test_a_delay_is_counted_from_now_and_replaces_a_moment(hive: Hive) -> None:
    later = hive.with_options(run_at=datetime.now(UTC) + timedelta(days=9))
    record = await hive.show(await later.submit("trial", delay=FEW_MINUTES))
    assert record.state is TaskState.SCHEDULED
    assert record.run_at - record.created_at <= FEW_MINUTES + timedelta(seconds=1)
    now = later.with_options(delay=None, run_at=None)
    assert (await hive.show(await now.submit("trial"))).state is TaskState.QUEUED


async def test_options_that_contradict_are_refused(hive: Hive) -> None:
    with pytest.raises(RefusedTaskError, match="run_at and delay say the same thing twice"):
        await hive.submit("trial", run_at=datetime.now(UTC), delay=FEW_MINUTES)
    with pytest.raises(RefusedTaskError, match=r"delay is 9999999.* is too long"):
        await hive.submit("trial", delay=timedelta(days=9999999))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": 30}, "timeout is a timedelta, not 30"),
        ({"delay": 5}, "delay is a timedelta, not 5"),
        ({"priority": "1"}, "priority is a whole number, not '1'"),
        ({"group": 5}, "group is text, not 5"),
        ({"run_at": "tomorrow"}, "run_at is a datetime, not 'tomorrow'"),
        ({"queue": None}, "queue is text, not None"),
    ],
)
async def test_an_option_of_another_type_is_refused_in_a_sentence(
    options: dict[str, Any], words: str, hive: Hive
) -> None:
    with pytest.raises(RefusedTaskError, match=f"^{words}$"):
        await hive.submit("trial", **options)
    with pytest.raises(RefusedTaskError, match=f"^{words}$"):
        await hive.with_options(**options).submit(echo, 1)
    assert await hive.tasks.count() == {}


async def test_a_payload_that_would_arrive_as_something_else_is_refused(hive: Hive) -> None:
    for payload, words in (
        ({1}, "the payload of a trial task is of type set, which JSON cannot carry"),
        ({"at": [FEW_MINUTES]}, "item 0 of 'at' of the payload of a trial task is of type timede"),
        ({1: "x"}, "a key of the payload of a trial task is 1; JSON knows only keys that are text"),
    ):
        with pytest.raises(RefusedTaskError, match=words):
            await hive.submit("trial", payload)
    assert await hive.tasks.count() == {}


async def test_a_payload_is_held_against_its_kind_if_that_is_installed_here(hive: Hive) -> None:
    with pytest.raises(MalformedPayloadError, match="argv"):
        await hive.submit("command", {"argv": "ls"})
    with pytest.raises(MalformedPayloadError, match="it has no field 'arg'"):
        await hive.submit("command", {"arg": ["ls"]})
    assert await hive.tasks.count() == {}
    await hive.submit("command", {"argv": ("ls", "-l")})
    await hive.submit("of-another-machine", {"argv": "ls"})


def test_a_kind_that_could_not_be_imported_once_may_be_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def installed(name: str) -> dict[str, EntryPoint]:
        return {"late": EntryPoint("late", f"{name}:CommandExecutor", EXECUTOR_GROUP)}

    monkeypatch.setattr(payloads, "_installed", lambda: installed("hive_process.not_there"))
    with pytest.raises(ConfigurationError, match="the executor of kind 'late' is broken"):
        payloads.check_payload("late", {"argv": ["ls"]})
    monkeypatch.setattr(payloads, "_installed", lambda: installed("hive_process.command"))
    payloads.check_payload("late", {"argv": ["ls"]})


@pytest.mark.parametrize("wrong", ["x", echo, {"kind": "trial"}])
async def test_what_is_no_task_is_refused_with_the_way_to_one(wrong: Any, hive: Hive) -> None:
    words = re.escape(f"a task is a NewTask, not {wrong!r}; make one with NewTask(kind=")
    for submitter in (hive, hive.with_options(group="g")):
        with pytest.raises(RefusedTaskError, match=words):
            await submitter.submit_many([NewTask(kind="trial"), wrong])
    assert await hive.tasks.count() == {}


async def test_chunks_hold_tasks(hive: Hive) -> None:
    with pytest.raises(UsageError, match="chunk_tasks is 1 or more, not 0"):
        await anext(hive.submit_in_chunks([NewTask(kind="trial")], chunk_tasks=0))


async def test_many_tasks_are_treated_as_the_options_say(hive: Hive) -> None:
    grouped = hive.with_options(group="g")
    task_ids = await grouped.submit_many([call(echo, n) for n in range(3)])
    records = await hive.tasks.read_many(task_ids)
    assert [record.payload["args"] for record in records] == [[0], [1], [2]]
    assert {record.group for record in records} == {"g"}


async def test_so_many_that_it_takes_several_statements_are_submitted_all_or_none(
    hive: Hive,
) -> None:
    tasks = [NewTask(kind="trial", payload=n) for n in range(submitting.BATCH_TASKS + 1)]
    with pytest.raises(RefusedTaskError, match="not -1"):
        await hive.submit_many([*tasks, NewTask(kind="trial", priority=-1)])
    assert await hive.tasks.count() == {}
    task_ids = await hive.submit_many(iter(tasks))
    assert task_ids == sorted(task_ids)
    assert await hive.tasks.count() == {"default": {TaskState.QUEUED: len(tasks)}}
    [last] = await hive.tasks.read_many(task_ids[-1:])
    assert last.payload == len(tasks) - 1


async def test_the_bus_is_told_of_many_in_messages_of_bounded_size(
    hive: Hive, redis_url: str
) -> None:
    heard: list[TaskId] = []
    async with asyncio.timeout(10), Bus.open(redis_url) as bus, bus.subscribe(EventFrame) as frames:
        task_ids = await hive.submit_many([NewTask(kind="trial")] * 2500)
        while len(heard) < len(task_ids):
            frame = await anext(frames)
            assert isinstance(frame, EventFrame)
            assert all(len(event.task_ids) <= 1000 for event in frame.events)
            heard += [task_id for event in frame.events for task_id in event.task_ids]
    assert heard == task_ids


async def test_tasks_are_submitted_as_they_come_and_no_sooner_than_asked(hive: Hive) -> None:
    taken: list[int] = []

    def without_end() -> Iterator[NewTask]:
        while True:
            taken.append(len(taken))
            yield NewTask(kind="trial", payload=taken[-1])

    given: list[TaskId] = []
    async for chunk in hive.with_options(queue="side").submit_in_chunks(
        without_end(), chunk_tasks=3
    ):
        given += chunk
        if len(given) == 6:
            break
    assert taken == list(range(6))
    assert await hive.tasks.count() == {"side": {TaskState.QUEUED: 6}}


async def test_tasks_may_come_from_an_asynchronous_source(hive: Hive) -> None:
    async def seven() -> AsyncGenerator[NewTask]:
        for n in range(7):
            yield NewTask(kind="trial", payload=n)

    sizes = [len(chunk) async for chunk in hive.submit_in_chunks(seven(), chunk_tasks=3)]
    assert sizes == [3, 3, 1]
    sizes = [len(chunk) async for chunk in hive.submit_in_chunks(seven(), chunk_tasks=7)]
    assert sizes == [7]


async def test_the_chunks_before_one_that_is_refused_stay(hive: Hive) -> None:
    tasks = [NewTask(kind="trial", priority=priority) for priority in (0, 0, 0, -1)]
    chunks = hive.submit_in_chunks(tasks, chunk_tasks=2)
    given = await anext(chunks)
    with pytest.raises(RefusedTaskError, match="not -1"):
        await anext(chunks)
    assert [record.id for record in await hive.tasks.read_many(given)] == given
    assert await hive.tasks.count() == {"default": {TaskState.QUEUED: 2}}
