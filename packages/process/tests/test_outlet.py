"""What becomes of what a command prints: secrets hidden, the whole in a file, nothing lost."""

import asyncio
import base64
import os
import resource
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hive_contracts.errors import ConfigurationError, StaleLeaseError
from hive_contracts.execution import Executor, Stream, Tools
from hive_contracts.outcomes import Failed, Outcome, Succeeded
from hive_process.command import CommandExecutor
from hive_process.payload import CommandPayload, CommandSettings
from hive_process.spawner import GuardedSpawner
from hive_testkit.attempts import RecordingAttempt

SECRET = "s3cret-value/1"


async def run(executor: Executor, line: str, **more: Any) -> tuple[Outcome, RecordingAttempt]:
    attempt = RecordingAttempt.of("command", {"argv": [line], "shell": True, **more})
    return await executor.run(attempt), attempt


@asynccontextmanager
async def executor_with(spawner: GuardedSpawner, **more: Any) -> AsyncGenerator[CommandExecutor]:
    settings = CommandSettings(grace_seconds=0.3, **more)
    async with CommandExecutor.open(Tools(spawner=spawner, settings=(settings,))) as executor:
        yield executor


async def test_nothing_is_emptied_under_a_lease_that_is_gone(executor: Executor, tmp_path: Path):
    file = tmp_path / "all.log"
    file.write_text("of the attempt that has the lease")
    attempt = RecordingAttempt.of("command", {"argv": ["true"], "output_file": str(file)})
    attempt.lose_lease()
    with pytest.raises(StaleLeaseError):
        await executor.run(attempt)
    assert file.read_text() == "of the attempt that has the lease"


async def test_a_secret_of_the_task_is_in_no_stream_and_in_no_spelling(executor: Executor):
    line = 'echo $API_TOKEN; printf %s "user:$API_TOKEN" | base64 >&2; printf s3cret'
    outcome, attempt = await run(executor, line, env={"API_TOKEN": SECRET})
    assert attempt.output() == b"[hidden]\ns3cret"
    error = attempt.output(Stream.STDERR)
    assert b"[hidden]" in error
    assert base64.b64encode(f"user:{SECRET}".encode())[10:16] not in error
    result: Any = outcome.result if isinstance(outcome, Succeeded) else {}
    assert result["stdout_bytes"] == len(SECRET) + 1 + len("s3cret")


async def test_a_secret_that_comes_in_two_pieces_is_hidden(executor: Executor):
    line = "printf s3cret-; sleep 0.3; echo value/1"
    _, attempt = await run(executor, line, env={"API_TOKEN": SECRET})
    assert attempt.output() == b"[hidden]\n"


async def test_a_secret_that_the_worker_lets_through_is_hidden_too(
    spawner: GuardedSpawner, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGISTRY_PASSWORD", SECRET)
    async with executor_with(spawner, env_allowed=("PATH", "REGISTRY_PASSWORD")) as executor:
        _, attempt = await run(executor, "echo $REGISTRY_PASSWORD")
        assert attempt.output() == b"[hidden]\n"


async def test_a_task_names_further_secrets(executor: Executor):
    environment = {"PIN": "123456789", "PLAIN": "987654321"}
    _, attempt = await run(executor, "echo $PIN $PLAIN", env=environment, secret_env=["PIN"])
    assert attempt.output() == b"[hidden] 987654321\n"


async def test_patterns_hide_what_no_variable_holds(spawner: GuardedSpawner):
    async with executor_with(spawner, secret_patterns=("ghp_*",), secret_names=()) as executor:
        _, attempt = await run(executor, "echo a ghp_abc b; echo $X_TOKEN", env={"X_TOKEN": SECRET})
        assert attempt.output() == f"a [hidden] b\n{SECRET}\n".encode()


async def test_what_was_held_back_is_passed_on_when_a_command_is_cancelled(executor: Executor):
    payload = {"argv": ["echo; printf s3cr; sleep 60"], "shell": True, "env": {"A_TOKEN": SECRET}}
    attempt = RecordingAttempt.of("command", payload)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(attempt))
        await attempt.output_containing(b"\n")
        running.cancel()
    assert attempt.output() in (b"\n", b"\ns3cr")


async def test_bytes_that_are_no_text_pass_beside_secrets(executor: Executor):
    _, attempt = await run(executor, r"printf '\377\000\033[1m\200'", env={"A_TOKEN": SECRET})
    assert attempt.output() == b"\xff\x00\x1b[1m\x80"


async def test_the_whole_output_goes_to_a_file_if_asked(executor: Executor, tmp_path: Path):
    line = "echo $A_TOKEN; echo out; echo err >&2; head -c 10000000 /dev/zero"
    payload: dict[str, Any] = {"cwd": str(tmp_path), "output_file": "all.log"}
    (tmp_path / "all.log").write_text("of the attempt before")
    outcome, _ = await run(executor, line, env={"A_TOKEN": SECRET}, **payload)
    assert isinstance(outcome, Succeeded)
    whole = (tmp_path / "all.log").read_bytes()
    # The two pipes have no common order.
    assert sorted(whole.replace(b"\0", b"").splitlines()) == [b"[hidden]", b"err", b"out"]
    assert whole.count(b"\0") == 10_000_000


async def test_a_file_that_cannot_be_written_fails_the_task_before_it_runs(
    executor: Executor, tmp_path: Path
):
    os.mkfifo(tmp_path / "fifo")
    for name, reason in [
        ("no/such/folder/all.log", "No such file or directory"),
        (str(tmp_path), "Is a directory"),
        ("fifo", "No such device or address"),
        ("/dev/null", "not a regular file"),
    ]:
        payload: dict[str, Any] = {"cwd": str(tmp_path), "output_file": name}
        outcome, attempt = await run(executor, "touch ran", **payload)
        assert isinstance(outcome, Failed)
        assert not outcome.is_retryable
        assert outcome.error == f"cannot write output_file {name!r}: {reason}"
        assert attempt.output() == b""
    assert not (tmp_path / "ran").exists()


async def test_a_file_that_has_no_more_room_ends_and_the_command_goes_on(
    executor: Executor, tmp_path: Path
):
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most[1]))
    try:
        line = "head -c 200000 /dev/zero; echo on >&2"
        file = str(tmp_path / "all.log")
        outcome, attempt = await run(executor, line, output_file=file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["output_file_error"] == "File too large"
    assert (tmp_path / "all.log").stat().st_size <= 100_000
    assert (len(attempt.output()), attempt.output(Stream.STDERR)) == (200_000, b"on\n")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"secret_env": ["NO_SUCH"]}, "secret_env names 'NO_SUCH', which env has not"),
        ({"output_file": ""}, "output_file names no file"),
        ({"output_file": "a\0b"}, "can hold no NUL"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        CommandPayload(argv=("true",), **wrong)


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match=r"command.secret_patterns: a pattern is"):
        CommandSettings(secret_patterns=("*",))
