"""Signs of life from functions, in the loop and in children, and none where nobody listens."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest

from hive_calls import show_life
from hive_contracts.execution import Executor
from hive_contracts.outcomes import Succeeded
from hive_testkit.attempts import RecordingAttempt, make_task

OpenExecutor = Callable[..., AbstractAsyncContextManager[Executor]]


def attempt_at(function: str, *args: Any, silence: timedelta | None) -> RecordingAttempt:
    payload = {"function": f"sample_functions:{function}", "args": args}
    return RecordingAttempt(make_task("call", payload).replaced(silence_timeout=silence))


@pytest.mark.parametrize(("function", "args"), [("lively", [3]), ("lively_in_the_loop", [])])
async def test_a_function_shows_life_also_from_threads(
    executor: Executor, function: str, args: list[int]
) -> None:
    attempt = attempt_at(function, *args, silence=timedelta(seconds=30))
    assert await executor.run(attempt) == Succeeded("done")
    assert attempt.signs_of_life >= 2


async def test_a_child_that_nobody_listens_to_says_nothing(executor: Executor) -> None:
    attempt = attempt_at("lively", 2, silence=None)
    assert await executor.run(attempt) == Succeeded("done")
    assert attempt.signs_of_life == 0


async def test_a_child_that_has_shown_life_is_used_again(executor: Executor) -> None:
    silence = timedelta(seconds=30)
    await executor.run(attempt_at("lively", 1, silence=silence))
    first = await executor.run(attempt_at("pid", silence=silence))
    await executor.run(attempt_at("lively", 1, silence=silence))
    assert await executor.run(attempt_at("pid", silence=None)) == first


def test_where_no_task_runs_nothing_happens() -> None:
    show_life()
