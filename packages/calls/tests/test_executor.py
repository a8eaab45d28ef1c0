"""What a task of kind `call` comes to, whatever its function does."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hive_contracts.errors import StaleLeaseError, StoreUnavailableError
from hive_contracts.execution import Executor
from hive_contracts.outcomes import Failed, Outcome, Parked, Succeeded
from hive_contracts.sizes import MAX_VALUE_BYTES
from hive_testkit.attempts import RecordingAttempt, make_task

LONGEST_TEXT = MAX_VALUE_BYTES - 2  # Its quotation marks count.

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


class TestWhatIsReturned:
    async def test_the_return_value_of_a_sync_function_is_the_result(self, executor: Executor):
        assert await call(executor, "add", 1, second=2) == Succeeded(3)

    async def test_the_return_value_of_an_async_function_is_the_result(self, executor: Executor):
        assert await call(executor, "greet", "you") == Succeeded(f"hello you from {os.getpid()}")

    async def test_an_object_with_an_async_call_runs_in_the_loop(self, executor: Executor):
        assert await call(executor, "greeter") == Succeeded("called")

    async def test_methods_of_a_class_are_called_through_it(self, executor: Executor):
        assert await call(executor, "Tool.double", 4) == Succeeded(8)
        assert await call(executor, "Tool.name") == Succeeded("Tool")

    async def test_a_result_that_json_cannot_hold_fails_that_call_alone(self, executor: Executor):
        reasons = {
            "nan": "not JSON compliant",
            "surrogate": "text that is not UTF-8",
            "nul": "NUL character",
            "nothing_json_knows": "type object",
            "returns_a_coroutine": "define it with `async def`",
        }
        for function, reason in reasons.items():
            failed = await failure(executor, function)
            assert reason in failed.error
            assert f"sample_functions:{function}" in failed.error
            assert not failed.is_retryable

        assert await call(executor, "add", 1, 1) == Succeeded(2)

    @pytest.mark.parametrize("below_the_limit", [1, 0])
    async def test_a_result_up_to_the_limit_arrives_whole(
        self, executor: Executor, below_the_limit: int
    ):
        length = LONGEST_TEXT - below_the_limit
        assert await result(executor, "huge", length) == "x" * length

    async def test_a_result_over_the_limit_is_refused_with_its_size_and_what_to_do(
        self, executor: Executor
    ):
        failed = await failure(executor, "huge", LONGEST_TEXT + 1)

        assert failed.error == (
            "the result of sample_functions:huge is 1,048,577 bytes; at most 1,048,576 (1 MiB) are"
            " kept. Write it to a file, and return the file's path"
        )
        assert not failed.is_retryable
        assert await call(executor, "add", 1, 1) == Succeeded(2)

    async def test_a_function_knows_its_task_but_not_hives_addresses(
        self, executor: Executor, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("HIVE_DATABASE_URL", "postgres://secret")
        payload = {"function": "sample_functions:identity"}
        attempt = RecordingAttempt(make_task("call", payload, task_id=41, attempt=2))

        assert await executor.run(attempt) == Succeeded(["41", "2", None])


class TestWhatIsAskedFor:
    @pytest.mark.parametrize("is_raised", [True, False])
    async def test_a_sync_function_may_ask_to_be_run_again_later(
        self, executor: Executor, *, is_raised: bool
    ):
        outcome = await call(executor, "ask_later", is_raised=is_raised)

        assert outcome == Parked("the report is not there yet", again_after=timedelta(minutes=5))

    @pytest.mark.parametrize("is_raised", [True, False])
    async def test_an_async_function_may_ask_to_be_set_aside(
        self, executor: Executor, *, is_raised: bool
    ):
        outcome = await call(executor, "ask_for_a_person", is_raised=is_raised)

        assert isinstance(outcome, Parked)
        assert outcome.until == datetime(2100, 1, 1, tzinfo=UTC)

    @pytest.mark.parametrize("is_raised", [True, False])
    async def test_a_function_may_say_that_a_quota_is_used_up(
        self, executor: Executor, *, is_raised: bool
    ):
        assert await call(executor, "meet_quota", is_raised=is_raised) == Parked(
            "429 Too Many Requests", again_after=timedelta(minutes=5), opens_breaker=True
        )

    async def test_an_async_function_need_not_know_when_there_is_quota_again(
        self, executor: Executor
    ):
        assert await call(executor, "meet_quota_in_the_loop") == Parked(
            "its quota is used up", opens_breaker=True
        )

    @pytest.mark.parametrize("function", ["be_busy", "be_busy_in_the_loop"])
    async def test_a_failure_goes_by_the_names_of_its_type_and_of_those_above_it(
        self, executor: Executor, function: str
    ):
        failed = await failure(executor, function)

        assert {"BusyError", "sample_functions.BusyError", "ConnectionError", "OSError"} <= {
            *failed.names
        }
        assert "ValueError" not in failed.names


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("payload", "part"),
        [
            ({"function": "nowhere"}, "must be 'package.module:name', not 'nowhere'"),
            ({"function": "a:b:c"}, "not 'a:b:c'"),
            ({}, "function"),
            ({"function": "a:b", "arguments": []}, "no field 'arguments'"),
            ({"function": "a:b", "args": {}}, "args"),
        ],
    )
    async def test_a_malformed_payload_fails_for_good(
        self, executor: Executor, payload: dict[str, Any], part: str
    ):
        outcome = await executor.run(RecordingAttempt.of("call", payload))

        assert isinstance(outcome, Failed)
        assert part in outcome.error
        assert not outcome.is_retryable

    async def test_a_module_that_is_not_allowed_is_named_with_the_way_to_allow_it(
        self, executor: Executor
    ):
        failed = await failure(executor, "shutil:rmtree", "/nowhere")

        assert "'shutil'" in failed.error
        assert "calls.modules" in failed.error
        assert "--allow shutil" in failed.error
        assert not failed.is_retryable

    async def test_a_longer_name_does_not_pass_for_an_allowed_module(self, executor: Executor):
        assert "may not be called" in (await failure(executor, "sample_functions_2:f")).error

    async def test_a_package_allows_what_is_below_it(
        self, open_executor: OpenExecutor, tmp_path: Path
    ):
        inner = tmp_path / "outer_package" / "inner"
        inner.mkdir(parents=True)
        (inner / "deep.py").write_text("def f():\n    return 'deep'\n")

        async with open_executor(modules=("outer_package",), path=(tmp_path,)) as executor:
            assert await call(executor, "outer_package.inner.deep:f") == Succeeded("deep")

    async def test_a_function_that_is_not_there_fails_for_good(self, executor: Executor):
        failed = await failure(executor, "absent")

        assert failed.error == "the module 'sample_functions' has no 'absent'"
        assert not failed.is_retryable

    @pytest.mark.parametrize(
        ("source", "part"),
        [
            ("def (", "SyntaxError"),
            ("raise SystemExit(4)", "SystemExit: 4"),
            ("import no_such_library", "no_such_library"),
            ("import os; os._exit(9)", "exited with code 9 while importing broken_module:f"),
            ("import broken_module.inner", "broken_module"),
        ],
    )
    async def test_a_broken_import_is_a_failure_of_the_attempt(
        self, open_executor: OpenExecutor, tmp_path: Path, source: str, part: str
    ):
        (tmp_path / "broken_module.py").write_text(source)

        async with open_executor(modules=("broken_module",), path=(tmp_path,)) as executor:
            failed = await failure(executor, "broken_module:f")
            (tmp_path / "broken_module.py").write_text("def f():\n    return 'mended'\n")
            mended = await call(executor, "broken_module:f")

        assert part in failed.error
        assert failed.is_retryable
        assert mended == Succeeded("mended")

    async def test_a_slow_import_does_not_stop_the_loop(
        self, open_executor: OpenExecutor, tmp_path: Path
    ):
        # The import ends only if this very loop answers it.
        address = str(tmp_path / "door")
        (tmp_path / "slow_module.py").write_text(SLOW_MODULE.format(address=address))

        async def let_in(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"!")
            await writer.drain()
            writer.close()

        async with (
            await asyncio.start_unix_server(let_in, address),
            open_executor(modules=("slow_module",), path=(tmp_path,)) as executor,
        ):
            assert await call(executor, "slow_module:f") == Succeeded("in")


SLOW_MODULE = """
import socket
with socket.socket(socket.AF_UNIX) as door:
    door.settimeout(10)
    door.connect({address!r})
    assert door.recv(1) == b"!"

async def f():
    return "in"
"""


class TestWhatIsRaised:
    async def test_an_exception_is_told_with_the_users_frames_alone(self, executor: Executor):
        first, *rest = (await failure(executor, "refuse", 3)).error.splitlines()

        assert first == "ValueError: 3 is not even"
        assert rest[0] == "Traceback (most recent call last):"
        assert "sample_functions.py" in rest[1]
        assert rest[1].endswith("in refuse")
        assert "hive_calls" not in "\n".join(rest)

    async def test_the_same_is_told_of_an_async_function(self, executor: Executor):
        failed = await failure(executor, "async_refuse")

        assert failed.error.startswith("ValueError: no\nTraceback")
        assert "in async_refuse" in failed.error
        assert "hive_calls" not in failed.error

    async def test_whatever_a_function_raises_fails_its_attempt_and_no_more(
        self, executor: Executor
    ):
        errors = {
            "leave": "SystemExit: 3",
            "recurse": "RecursionError: maximum recursion depth exceeded",
            "unstorable_message": "ValueError: \\ud800 and \\x00",
            "async_exit": "SystemExit: 3",
            "async_interrupt": "KeyboardInterrupt",
            "async_recurse": "RecursionError: maximum recursion depth exceeded",
            "async_cancels_itself": "CancelledError",
        }
        for function, error in errors.items():
            failed = await failure(executor, function)
            assert failed.error.startswith(error)
            assert failed.is_retryable

        assert await call(executor, "add", 1, 1) == Succeeded(2)

    async def test_wrong_arguments_are_named(self, executor: Executor):
        failed = await failure(executor, "add", 1)
        assert failed.error.startswith("TypeError: add() missing 1 required positional argument")


class TestClosing:
    async def test_what_ends_the_worker_comes_through_as_it_is(self, open_executor: OpenExecutor):
        async def serve() -> None:
            async with open_executor() as executor:
                await call(executor, "add", 1, 1)
                raise StoreUnavailableError

        with pytest.raises(StoreUnavailableError):
            await serve()

    async def test_the_import_path_is_put_back(self, open_executor: OpenExecutor, tmp_path: Path):
        before = list(sys.path)
        async with open_executor(path=(tmp_path,)):
            assert sys.path == [*before, str(tmp_path)]
        assert sys.path == before


class TestStarting:
    async def test_the_start_is_written_first_where_the_task_asks_for_it(self, executor: Executor):
        for function in ("add", "greet"):
            task = make_task("call", {"function": f"sample_functions:{function}"})
            attempt = RecordingAttempt(task.replaced(writes_start=True))
            await executor.run(attempt)
            assert attempt.start_calls == 1

    async def test_short_calls_do_not_pay_for_a_start(self, executor: Executor):
        attempt = attempt_at("add", 1, 1)
        await executor.run(attempt)
        assert attempt.start_calls == 0

    async def test_nothing_is_started_under_a_lost_lease(self, executor: Executor, spawner: Any):
        task = make_task("call", {"function": "sample_functions:pid"})
        attempt = RecordingAttempt(task.replaced(writes_start=True))
        attempt.lose_lease()

        with pytest.raises(StaleLeaseError):
            await executor.run(attempt)

        assert spawner.started == []
