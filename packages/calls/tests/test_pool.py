"""How many children there are, and for how long."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from hive_contracts.execution import Executor
from hive_contracts.outcomes import Failed, Outcome, Succeeded
from hive_testkit.attempts import RecordingAttempt

OpenExecutor = Callable[..., AbstractAsyncContextManager[Executor]]


async def call(executor: Executor, function: str, *args: Any) -> Outcome:
    payload = {"function": f"sample_functions:{function}", "args": args}
    return await executor.run(RecordingAttempt.of("call", payload))


async def pid_of_child(executor: Executor) -> int:
    outcome = await call(executor, "pid")
    assert isinstance(outcome, Succeeded), outcome
    assert isinstance(outcome.result, int)
    return outcome.result


async def test_no_child_is_started_before_it_is_needed(executor: Executor, spawner: Any):
    payload = {"function": "os:getcwd"}
    assert isinstance(await executor.run(RecordingAttempt.of("call", payload)), Failed)
    assert spawner.started == []


async def test_a_child_is_used_again(executor: Executor):
    assert len({await pid_of_child(executor) for _ in range(5)}) == 1


async def test_a_failed_call_leaves_the_child_in_use(executor: Executor):
    before = await pid_of_child(executor)
    await call(executor, "refuse", 1)
    await call(executor, "leave")
    assert await pid_of_child(executor) == before


async def test_as_many_calls_run_at_once_as_there_are_slots(
    executor: Executor, tmp_path: Path, spawner: Any
):
    async with asyncio.TaskGroup() as group:
        left = group.create_task(call(executor, "meet", str(tmp_path), "left", "right"))
        right = group.create_task(call(executor, "meet", str(tmp_path), "right", "left"))

    assert (left.result(), right.result()) == (Succeeded("left"), Succeeded("right"))
    assert len(spawner.started) == 2


async def test_there_are_never_more_children_than_slots(open_executor: OpenExecutor, spawner: Any):
    async with open_executor(slots=1) as executor, asyncio.TaskGroup() as group:
        calls = [group.create_task(call(executor, "add", n, n)) for n in range(10)]

    assert [each.result() for each in calls] == [Succeeded(2 * n) for n in range(10)]
    assert len(spawner.started) == 1


async def test_a_child_is_replaced_after_its_last_call(open_executor: OpenExecutor):
    async with open_executor(max_child_calls=2) as executor:
        # The first request of all asks whether the function is async.
        pids = [await pid_of_child(executor) for _ in range(5)]

    assert len(set(pids)) == 3
    assert pids[1] == pids[2]


async def test_an_idle_child_is_ended(open_executor: OpenExecutor, spawner: Any):
    async with open_executor(idle_seconds=0.05) as executor:
        pid = await pid_of_child(executor)
        async with asyncio.timeout(10):
            await spawner.started[0].wait()
        assert await pid_of_child(executor) != pid


async def test_closing_the_executor_leaves_no_child(open_executor: OpenExecutor, tmp_path: Path):
    async with open_executor() as executor:
        pid = await pid_of_child(executor)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_descriptor_is_left_open(open_executor: OpenExecutor):
    before = open_descriptors()
    async with open_executor(max_child_calls=1) as executor:
        for _ in range(2):
            await pid_of_child(executor)
        await call(executor, "vanish")
    assert open_descriptors() == before


async def test_a_python_that_cannot_be_started_fails_the_attempt(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    outcome = await call(executor, "add", 1, 1)
    assert isinstance(outcome, Failed)
    assert "no child process could be started" in outcome.error
    assert "/nowhere/python" in outcome.error
