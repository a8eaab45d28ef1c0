"""What is told of a command if its task asks: the files that it changed, its whole output."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import pytest

from hive_contracts.errors import ConfigurationError
from hive_contracts.execution import Executor
from hive_contracts.outcomes import Failed, Outcome, Succeeded
from hive_process import changes
from hive_testkit.attempts import RecordingAttempt
from hive_testkit.waiting import until

OPEN = Path("/proc/self/fd")


async def run(executor: Executor, line: str, **more: Any) -> Outcome:
    attempt = RecordingAttempt.of("command", {"argv": [line], "shell": True, **more})
    return await executor.run(attempt)


def result_of(outcome: Outcome) -> Any:
    assert isinstance(outcome, Succeeded | Failed), outcome
    return outcome.result


def whole(name: str) -> bytes:
    drivers: Any = fsspec  # fsspec leaves its types open
    return drivers.filesystem("memory").cat(f"/{name}")


async def test_files_that_are_new_changed_and_gone_are_told(executor: Executor, tmp_path: Path):
    for name in ("same", "longer", "gone", "touched"):
        (tmp_path / name).write_text("before")
    line = (
        "mkdir -p sub/deep; echo x > sub/deep/new; echo x >> longer; rm gone;"
        " echo afters > touched; ln -s /etc link; exit 3"
    )
    outcome = await run(executor, line, cwd=str(tmp_path), files_changed=True)
    result = result_of(outcome)
    assert result["files_changed"] == {"new": 2, "changed": 2, "gone": 1}
    assert result["files"] == {
        "new": ["link", "sub/deep/new"], "changed": ["longer", "touched"], "gone": ["gone"]
    }  # fmt: skip


async def test_nobody_is_told_of_files_who_has_not_asked(executor: Executor, tmp_path: Path):
    result = result_of(await run(executor, "echo x > new", cwd=str(tmp_path)))
    assert not {"files", "files_changed"} & result.keys()


async def test_names_that_are_no_text_and_too_many_files_are_borne(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    line = "touch \"$(printf 'a\\377')\""
    result = result_of(await run(executor, line, cwd=str(tmp_path), files_changed=True))
    assert result["files"] == {"new": ["a\N{REPLACEMENT CHARACTER}"]}
    monkeypatch.setattr(changes, "MOST_FILES", 0)
    result = result_of(await run(executor, "true", cwd=str(tmp_path), files_changed=True))
    assert result["files_changed_error"] == f"{tmp_path} has more than 0 files"


async def test_the_whole_output_goes_to_a_url_without_its_secrets(executor: Executor):
    outcome = await run(
        executor,
        "seq 100000; echo $A_TOKEN >&2; exit 3",
        env={"A_TOKEN": "s3cret-value"},
        output_file="memory://logs/7.log",
    )
    assert isinstance(outcome, Failed)
    assert "output_file_error" not in result_of(outcome)
    lines = whole("logs/7.log").split()
    assert len(lines) == 100_001
    assert b"[hidden]" in lines


async def called_off(
    executor: Executor, url: str, *, is_given_back: bool = False
) -> Mapping[str, object]:
    """Call a command off when it has printed something; return what is told of it."""
    payload = {"argv": ["echo on; sleep 60"], "shell": True, "output_file": url}
    attempt = RecordingAttempt.of("command", payload)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(attempt))
        await until(lambda: attempt.output() == b"on\n")
        attempt.is_given_back = is_given_back
        running.cancel()
    assert attempt.usage is not None
    return attempt.usage


async def test_of_a_command_that_is_called_off_what_it_has_printed_goes_to_the_url(
    executor: Executor,
):
    told = await called_off(executor, "memory://logs/8.log")
    assert whole("logs/8.log") == b"on\n"
    assert "output_file_error" not in told


async def test_what_another_attempt_will_print_anew_goes_to_no_url(executor: Executor):
    await called_off(executor, "memory://logs/9.log", is_given_back=True)
    with pytest.raises(FileNotFoundError):
        whole("logs/9.log")


async def test_who_has_called_a_command_off_waits_no_longer_for_a_url_than_is_said(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hive_process.whole_output.HURRIED_SECONDS", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    told = await called_off(executor, f"file://{pipe}")
    assert told["output_file_error"] == f"file://{pipe} had not taken it after 0.1 s"
    # It goes on beside: what takes it gets it whole.
    assert await asyncio.to_thread(pipe.read_bytes) == b"on\n"


async def test_a_url_that_takes_nothing_fails_no_command(executor: Executor, tmp_path: Path):
    (tmp_path / "file").touch()
    url = f"file://{tmp_path}/file/below"
    outcome = await run(executor, "echo on", output_file=url)
    assert isinstance(outcome, Succeeded)
    assert url in result_of(outcome)["output_file_error"]


async def test_a_url_without_a_driver_is_told_before_anything_runs(executor: Executor):
    for url in ("nothing://a/b", "s3://bucket/7.log"):
        with pytest.raises(ConfigurationError, match=f"'{url}' cannot be written to from here"):
            await run(executor, "touch /nowhere", output_file=url)


async def test_what_is_gathered_for_a_url_leaves_no_file_and_no_descriptor(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    await run(executor, "true", output_file="memory://a")
    before = len(list(OPEN.iterdir()))
    await run(executor, "echo on", output_file="memory://a")
    assert len(list(OPEN.iterdir())) == before
    assert list(tmp_path.iterdir()) == []
    assert whole("a") == b"on\n"
