"""What a child process does to the attempt that it runs: its output, its stops, its deaths."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hive_contracts.errors import ServiceUnavailableError
from hive_contracts.execution import Executor, Stream
from hive_contracts.outcomes import Failed, Outcome, Released, Succeeded
from hive_testkit.attempts import RecordingAttempt

OpenExecutor = Callable[..., AbstractAsyncContextManager[Executor]]


def attempt_at(function: str, *args: Any, **kwargs: Any) -> RecordingAttempt:
    path = function if ":" in function else f"sample_functions:{function}"
    return RecordingAttempt.of("call", {"function": path, "args": args, "kwargs": kwargs})


async def call(executor: Executor, function: str, *args: Any, **kwargs: Any) -> Outcome:
    return await executor.run(attempt_at(function, *args, **kwargs))


async def result(executor: Executor, function: str, *args: Any) -> Any:
    outcome = await call(executor, function, *args)
    assert isinstance(outcome, Succeeded), outcome
    return outcome.result


async def failure(executor: Executor, function: str, *args: Any) -> Failed:
    outcome = await call(executor, function, *args)
    assert isinstance(outcome, Failed), outcome
    return outcome


@asynccontextmanager
async def running(
    executor: Executor, attempt: RecordingAttempt
) -> AsyncGenerator[asyncio.Task[Outcome]]:
    """Run `attempt` beside the test; what still runs at the end is cancelled."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(executor.run(attempt))
        yield task
        task.cancel()


async def cancel(task: asyncio.Task[Outcome]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    loop.add_reader(descriptor, seen.set)
    try:
        async with asyncio.timeout(10):
            await seen.wait()
    finally:
        loop.remove_reader(descriptor)


@pytest.fixture
def begun() -> Iterator[tuple[int, int]]:
    """A pipe: an async function writes to its second end, the test waits at the first."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


class TestOutput:
    async def test_what_a_call_prints_is_its_output_and_in_order(self, executor: Executor):
        words = [f"word {number}" for number in range(2000)]
        attempt = attempt_at("say", words)

        assert await executor.run(attempt) == Succeeded(2000)

        expected = "".join(f"{word}\n" for word in words) + "no newline at the end"
        assert attempt.output().decode() == expected
        assert attempt.output(Stream.STDERR) == b"aside"

    async def test_each_call_gets_its_own_output(self, executor: Executor):
        first, second = attempt_at("say", ["one"]), attempt_at("say", ["two"])
        await executor.run(first)
        await executor.run(second)
        assert first.output().startswith(b"one\n")
        assert second.output().startswith(b"two\n")

    async def test_output_arrives_while_the_function_runs(self, executor: Executor):
        attempt = attempt_at("block", 30)
        async with running(executor, attempt) as task:
            await attempt.output_containing(b"blocking")
            assert not task.done()

    @pytest.mark.parametrize("function", ["close_stdout", "close_stdouts_descriptor"])
    async def test_a_function_that_closes_its_stdout_closes_it_for_no_other(
        self, executor: Executor, function: str
    ):
        assert await call(executor, function) == Succeeded("closed")

        attempt = attempt_at("say", ["again"])
        assert await executor.run(attempt) == Succeeded(1)
        assert attempt.output().startswith(b"again\n")


class TestHowChildrenDie:
    @pytest.mark.parametrize(
        ("function", "end"),
        [("vanish", "exited with code 7"), ("crash", "was killed by SIGSEGV")],
    )
    async def test_a_child_that_dies_fails_its_attempt_and_is_replaced(
        self, executor: Executor, function: str, end: str
    ):
        failed = await failure(executor, function)

        assert failed.error == f"the child process {end} while running sample_functions:{function}"
        assert failed.is_retryable
        assert await call(executor, "add", 1, 1) == Succeeded(2)

    async def test_a_crash_tells_where_it_was(self, executor: Executor):
        attempt = attempt_at("crash")
        await executor.run(attempt)
        assert b"sample_functions.py" in attempt.output(Stream.STDERR)

    async def test_what_a_function_forks_dies_of_sigterm(self, executor: Executor):
        assert await call(executor, "exit_code_of_a_terminated_fork") == Succeeded(-15)

    async def test_a_child_killed_in_mid_call_says_so(self, executor: Executor):
        pid = await result(executor, "pid")
        attempt = attempt_at("block", 30)

        async with running(executor, attempt) as task:
            await attempt.output_containing(b"blocking")
            os.kill(pid, signal.SIGKILL)
            outcome = await task

        assert isinstance(outcome, Failed)
        assert "killed by SIGKILL while running sample_functions:block" in outcome.error

    async def test_a_child_killed_while_idle_costs_no_attempt(self, executor: Executor):
        pid = await result(executor, "pid")
        descriptor = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        await readable(descriptor)
        os.close(descriptor)

        assert await result(executor, "pid") != pid

    @pytest.mark.parametrize(
        ("function", "reason"),
        [
            ("close_every_descriptor", "the child process exited with code 0"),
            ("write_noise", "4,294,967,299 bytes are more than any answer has"),
            ("answer_for_itself", "not JSON"),
        ],
    )
    async def test_a_function_that_breaks_the_socket_is_ended(
        self, executor: Executor, function: str, reason: str
    ):
        failed = await failure(executor, function)

        assert f"while running sample_functions:{function}" in failed.error
        assert reason in failed.error
        assert await call(executor, "add", 1, 1) == Succeeded(2)

    async def test_what_a_function_leaves_behind_dies_with_its_child(
        self, open_executor: OpenExecutor
    ):
        async with open_executor() as executor:
            pid = await result(executor, "leave_a_process_behind")
            assert is_running(pid)

        assert not is_running(pid)

    async def test_an_attempt_whose_lease_cannot_be_proved_is_given_back(
        self, executor: Executor, spawner: Any
    ):
        attempt = attempt_at("block", 30)
        async with running(executor, attempt) as task:
            await attempt.output_containing(b"blocking")
            spawner.guarded.prove_until(0.0)
            outcome = await task

        assert outcome == Released(
            "the worker could not prove its lease while running sample_functions:block"
        )

    async def test_without_a_guardian_nothing_is_said_of_the_call(
        self, open_executor: OpenExecutor, spawner: Any
    ):
        attempt = attempt_at("block", 30)

        async def kill_the_guardian() -> None:
            await attempt.output_containing(b"blocking")
            os.kill(spawner.guarded.guardian_pid, signal.SIGKILL)

        async with open_executor() as executor, asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(kill_the_guardian())
            with pytest.raises(ServiceUnavailableError, match="guardian"):
                await executor.run(attempt)

    async def test_of_a_function_that_forks_only_one_answers(self, executor: Executor):
        assert await call(executor, "fork_and_return") == Succeeded(5)
        assert await call(executor, "add", 1, 1) == Succeeded(2)


class TestCancellation:
    async def test_a_cancelled_sync_function_may_tidy_up_and_is_gone(
        self, executor: Executor, tmp_path: Path
    ):
        pid = await result(executor, "pid")
        attempt = attempt_at("block_and_tidy_up", str(tmp_path / "tidied"))

        async with running(executor, attempt) as task:
            await attempt.output_containing(b"blocking")
            await cancel(task)

        assert (tmp_path / "tidied").read_text() == "tidied up"
        assert not is_running(pid)
        assert await result(executor, "pid") != pid

    async def test_one_that_swallows_the_stop_is_killed_after_the_grace(
        self, open_executor: OpenExecutor
    ):
        async with open_executor(grace_seconds=0.2) as executor:
            pid = await result(executor, "pid")
            attempt = attempt_at("swallow_every_stop")
            async with asyncio.timeout(5), running(executor, attempt) as task:
                await attempt.output_containing(b"swallowing")
                await cancel(task)

            assert not is_running(pid)

    async def test_a_second_cancellation_does_not_leave_the_child_behind(
        self, open_executor: OpenExecutor
    ):
        async with open_executor(grace_seconds=0.3) as executor:
            pid = await result(executor, "pid")
            attempt = attempt_at("swallow_every_stop")
            async with running(executor, attempt) as task:
                await attempt.output_containing(b"swallowing")
                task.cancel()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                await cancel(task)

            assert not is_running(pid)

    async def test_a_cancelled_async_function_may_tidy_up(
        self, executor: Executor, tmp_path: Path, begun: tuple[int, int]
    ):
        attempt = attempt_at("wait_for_ever", begun[1], str(tmp_path / "tidied"))

        async with running(executor, attempt) as task:
            await readable(begun[0])
            await cancel(task)

        assert (tmp_path / "tidied").read_text() == "tidied up"

    async def test_a_called_off_function_cannot_succeed(
        self, executor: Executor, begun: tuple[int, int]
    ):
        attempt = attempt_at("turn_cancellation_into_success", begun[1])

        async with running(executor, attempt) as task:
            await readable(begun[0])
            await cancel(task)
