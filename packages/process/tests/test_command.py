"""The executor `command`: what it gives a program, keeps of it, and says of its end."""

import asyncio
import errno
import json
import os
import signal
import socket
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from hive_contracts.errors import ConfigurationError, ServiceUnavailableError, StaleLeaseError
from hive_contracts.execution import Executor, Stream, Tools
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import Asked, Failed, Outcome, Parked, Released, Succeeded
from hive_contracts.states import TaskState
from hive_contracts.tasks import ParentResult, Question
from hive_process.command import CommandExecutor, CommandPayload, CommandSettings
from hive_process.endings import refusal_of
from hive_process.spawner import GuardedSpawner
from hive_testkit.attempts import RecordingAttempt, make_task
from hive_testkit.conformance import CHECKS, COUNT, FLOOD_BYTES, Check, Samples
from hive_testkit.processes import is_alive

SAMPLES = Samples(
    kind="command",
    failing={"argv": ["exit 3"], "shell": True},
    unacceptable={"argv": "true"},
    endless={
        "argv": [
            "setsid sh -c 'trap \"\" TERM; echo ready $PPID $$; while :; do sleep 1; done' & wait"
        ],
        "shell": True,
    },
    counting={"argv": ["seq", "0", str(COUNT - 1)]},
    flooding={"argv": ["head", "-c", str(FLOOD_BYTES), "/dev/zero"]},
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_it_behaves_as_an_executor(check: Check, executor: Executor):
    await check(executor, SAMPLES)


async def run(executor: Executor, *argv: str, **more: Any) -> tuple[Outcome, RecordingAttempt]:
    attempt = RecordingAttempt.of("command", {"argv": argv, **more})
    return await executor.run(attempt), attempt


async def test_a_command_that_exits_with_zero_succeeds(executor: Executor):
    outcome, attempt = await run(executor, "echo", "a b")
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert (result["exit_code"], result["left_behind"]) == (0, 0)
    assert result["cpu_seconds"] > 0
    assert result["peak_memory_bytes"] > 0
    assert attempt.chunks == [(Stream.STDOUT, b"a b\n")]


async def test_another_exit_code_is_a_failure_that_says_so(executor: Executor):
    outcome, _ = await run(executor, "exit 3", shell=True)
    assert isinstance(outcome, Failed)
    assert outcome.error == "exit code 3"
    assert outcome.is_retryable
    result: Any = outcome.result
    assert result["exit_code"] == 3


async def test_other_exit_codes_may_be_called_a_success(executor: Executor):
    outcome, _ = await run(executor, "exit 3", shell=True, ok_codes=[0, 3])
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["exit_code"] == 3


async def test_an_exit_code_may_ask_for_another_run_or_to_be_set_aside(executor: Executor):
    asks: dict[str, Any] = {"snooze_codes": {"75": "10m"}, "park_codes": [76]}
    snoozed, _ = await run(executor, "exit 75", shell=True, **asks)
    assert snoozed == Parked(
        "it asked to be run again later (exit code 75)", again_after=timedelta(minutes=10)
    )
    parked, _ = await run(executor, "exit 76", shell=True, **asks)
    assert parked == Parked("it asked to be set aside (exit code 76)")
    quota, _ = await run(executor, "exit 77", shell=True, quota_codes=[77])
    assert quota == Parked("its quota is used up (exit code 77)", opens_breaker=True)
    unasked, _ = await run(executor, "exit 75", shell=True)
    assert isinstance(unasked, Failed)
    assert unasked.names == ("75",)


async def test_an_exit_code_may_ask_a_person_what_was_printed_last(executor: Executor):
    asks: dict[str, Any] = {"ask_codes": [79], "shell": True}
    asked, _ = await run(executor, "echo first; echo 'May it go? '; echo; exit 79", **asks)
    assert asked == Asked("May it go?")
    line = r"printf '\033[1mMay\tit\007 go?\033]0;title\007\033[0m\r\n\033[K\n'; exit 79"
    coloured, _ = await run(executor, line, **asks)
    assert coloured == Asked("May it go?")
    silent, _ = await run(executor, "echo no >&2; exit 79", **asks)
    assert silent == Asked("it printed no question (exit code 79)")


async def test_a_command_finds_the_last_answer_in_its_environment(
    spawner: GuardedSpawner, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HIVE_QUESTION", "HIVE_ANSWER"):
        monkeypatch.setenv(name, "of a task that has started the worker")
    line = 'printf %s "$HIVE_QUESTION $HIVE_ANSWER"'
    payload = {"argv": [line], "shell": True, "ask_codes": [79]}
    first, attempt = [RecordingAttempt.of("command", payload) for _ in range(2)]
    now = datetime.now(UTC)
    attempt.questions = [
        Question(number=n, question=q, asked_at=now, answer=a, answered_at=now, answered_by="ada")
        for n, q, a in ((1, "Now?", "no"), (2, "All?", "yes, all"))
    ]
    settings = CommandSettings(env_allowed=("PATH", "HIVE_QUESTION", "HIVE_ANSWER"))
    async with CommandExecutor.open(Tools(spawner=spawner, settings=(settings,))) as executor:
        assert isinstance(await executor.run(first), Succeeded)
        assert isinstance(await executor.run(attempt), Succeeded)
    assert first.output() == b" "
    assert attempt.output() == b"All? yes, all"


@pytest.mark.parametrize(
    ("asks", "reason"),
    [
        ({"snooze_codes": {"0": "1m"}}, "'0', which is no exit code from 1 to 255"),
        ({"snooze_codes": {"75": "soon"}}, "'soon' is no duration; write it like 30s"),
        ({"park_codes": [256]}, "256, which is no exit code from 1 to 255"),
        ({"park_codes": [75], "snooze_codes": {"75": "1m"}}, "name the same exit code twice"),
        ({"quota_codes": [0]}, "quota_codes has 0, which is no exit code from 1 to 255"),
        ({"quota_codes": [75], "park_codes": [75]}, "name the same exit code twice"),
    ],
)
def test_an_exit_code_means_one_thing(asks: dict[str, Any], reason: str):
    with pytest.raises(ValueError, match=reason):
        CommandPayload(argv=("true",), **asks)


async def test_a_signal_is_named(executor: Executor):
    outcome, _ = await run(executor, "kill -SEGV $$", shell=True)
    assert isinstance(outcome, Failed)
    assert outcome.names == ("SIGSEGV",)
    assert outcome.error == "killed by SIGSEGV"
    result: Any = outcome.result
    assert result["signal"] == "SIGSEGV"
    assert "exit_code" not in result


async def test_a_kill_from_outside_names_its_likely_reason(executor: Executor):
    outcome, _ = await run(executor, "kill -KILL $$", shell=True)
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("killed by SIGKILL; ")
    assert "out of memory" in outcome.error


async def test_a_signal_without_a_name_is_numbered(executor: Executor):
    outcome, _ = await run(executor, "kill -40 $$", shell=True)
    assert isinstance(outcome, Failed)
    assert outcome.error == "killed by signal 40"


async def test_both_streams_are_kept_apart(executor: Executor):
    _, attempt = await run(executor, "echo out; echo err >&2", shell=True)
    assert attempt.output(Stream.STDOUT) == b"out\n"
    assert attempt.output(Stream.STDERR) == b"err\n"


async def test_without_a_shell_nothing_is_expanded(executor: Executor):
    _, attempt = await run(executor, "echo", "$HOME *")
    assert attempt.output() == b"$HOME *\n"


async def test_bytes_that_are_no_text_arrive_as_they_are(executor: Executor):
    _, attempt = await run(executor, "printf '\\377\\000\\200'", shell=True)
    assert attempt.output() == b"\xff\x00\x80"


async def test_nothing_to_read_is_the_end_of_input_at_once(executor: Executor):
    outcome, attempt = await run(executor, "cat")
    assert isinstance(outcome, Succeeded)
    assert attempt.output() == b""


async def test_input_is_read_by_the_program(executor: Executor):
    _, attempt = await run(executor, "cat", stdin="naïve\n")
    assert attempt.output() == "naïve\n".encode()


async def test_input_larger_than_a_pipe_arrives_whole(executor: Executor):
    text = "0123456789" * 100_000
    _, attempt = await run(executor, "cat", stdin=text)
    assert attempt.output() == text.encode()


async def test_input_that_nobody_reads_is_no_error(executor: Executor):
    for line in ("exec true", "exec <&-; echo on"):
        outcome, _ = await run(executor, line, shell=True, stdin="x" * 1_000_000)
        assert isinstance(outcome, Succeeded)


async def test_a_command_runs_in_its_directory(executor: Executor, tmp_path: Path):
    _, attempt = await run(executor, "pwd", cwd=str(tmp_path))
    assert attempt.output().decode() == f"{tmp_path}\n"


async def test_a_command_sees_what_is_let_through_and_what_it_was_given(
    spawner: GuardedSpawner, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HIVE_DATABASE_URL", "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    settings = CommandSettings(env_allowed=("PATH", "LANG", "NOT_SET"))
    task = make_task("command", {"argv": ["env"], "env": {"A": "b=c"}}, task_id=41, attempt=2)
    attempt = RecordingAttempt(task)
    async with CommandExecutor.open(Tools(spawner=spawner, settings=(settings,))) as executor:
        assert isinstance(await executor.run(attempt), Succeeded)
    variables = dict(line.split("=", 1) for line in attempt.output().decode().splitlines())
    del variables["HIVE_GUARD"]
    assert variables == {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "A": "b=c",
        "HIVE_TASK_ID": "41",
        "HIVE_ATTEMPT": "2",
    }


def test_no_secret_is_let_through_by_default():
    assert not [name for name in CommandSettings().env_allowed if "HIVE" in name or "KEY" in name]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"argv": ["no-such-program"]}, "no such program: 'no-such-program'"),
        ({"argv": ["/etc/passwd"]}, "not an executable program: '/etc/passwd'"),
        ({"argv": ["/no/such/folder/x"]}, "no such program: '/no/such/folder/x'"),
        (
            {"argv": ["true"], "cwd": "/no/such/folder"},
            "cannot work in directory '/no/such/folder': No such file or directory",
        ),
        (
            {"argv": ["true", "x" * 200_000]},
            "argv and env are too long for",
        ),
        ({"argv": [f"/{'x' * 300}"]}, "x': File name too long"),
    ],
)
async def test_what_cannot_be_started_fails_for_good(
    payload: object, reason: str, executor: Executor
):
    outcome = await executor.run(RecordingAttempt.of("command", payload))
    assert isinstance(outcome, Failed)
    assert reason in outcome.error
    assert not outcome.is_retryable


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE])
def test_what_only_this_machine_cannot_start_just_now_is_given_back(number: int):
    error = OSError(number, os.strerror(number))
    outcome = refusal_of(error, CommandPayload(argv=("true",)))
    assert isinstance(outcome, Released)
    assert os.strerror(number) in outcome.reason


async def test_a_script_whose_interpreter_is_missing_is_told_from_a_missing_script(
    executor: Executor, tmp_path: Path
):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    outcome, _ = await run(executor, str(script))
    assert isinstance(outcome, Failed)
    assert "interpreter" in outcome.error


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({}, "argv"),
        ({"argv": []}, "argv"),
        ({"argv": [""]}, "argv"),
        ({"argv": [1]}, "argv"),
        ({"argv": ["a", "b"], "shell": True}, "argv"),
        ({"argv": ["a"], "colour": "red"}, "colour"),
        ({"argv": ["a"], "env": {"A=B": "c"}}, "env"),
        ({"argv": ["a"], "env": {"": "c"}}, "env"),
        ({"argv": ["a"], "ok_codes": [256]}, "ok_codes"),
        ({"argv": ["a"], "ok_codes": []}, "ok_codes"),
        ({"argv": ["a\0b"]}, "argv"),
        ({"argv": ["a"], "cwd": "a\0b"}, "cwd"),
        ({"argv": ["a"], "stdin": 7}, "stdin"),
    ],
)
async def test_a_payload_that_makes_no_command_is_refused_by_field(
    payload: object, field: str, executor: Executor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hive_testkit.attempts.encode_json", plain_json)
    attempt = RecordingAttempt.of("command", payload)
    outcome = await executor.run(attempt)
    assert isinstance(outcome, Failed)
    assert field in outcome.error
    assert not outcome.is_retryable
    assert attempt.start_calls == 0


def plain_json(value: object) -> str:
    """JSON as a careless producer might write it, with what Hive's own encoder refuses."""
    return json.dumps(value)


@pytest.mark.parametrize("grace_seconds", [-1.0, float("nan"), float("inf")])
def test_a_grace_that_nobody_can_wait_for_is_refused(grace_seconds: float):
    with pytest.raises(ConfigurationError, match="grace_seconds"):
        CommandSettings(grace_seconds=grace_seconds)


async def test_the_start_is_announced_before_anything_runs(executor: Executor, tmp_path: Path):
    attempt = RecordingAttempt.of("command", {"argv": ["touch", str(tmp_path / "ran")]})
    attempt.lose_lease()
    with pytest.raises(StaleLeaseError):
        await executor.run(attempt)
    assert not (tmp_path / "ran").exists()
    outcome, attempt = await run(executor, "echo", "x")
    assert isinstance(outcome, Succeeded)
    assert attempt.start_calls == 1
    assert not attempt.output_before_start


async def test_a_pipe_held_by_a_grandchild_does_not_hold_up_a_success(executor: Executor):
    begun = monotonic()
    outcome, attempt = await run(executor, "setsid sleep 60 & echo done", shell=True)
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["left_behind"] == 1
    assert attempt.output() == b"done\n"
    assert monotonic() - begun < 5


HAND_OVER = """
import array, os, socket, sys
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect(sys.argv[1])
    socket.send_fds(peer, [b'x'], [1])
    peer.recv(1)
print('done', flush=True)
"""


async def test_a_pipe_held_by_a_stranger_holds_it_up_for_a_second_at_most(
    executor: Executor, tmp_path: Path
):
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        async with asyncio.TaskGroup() as group:
            argv = (sys.executable, "-ISc", HAND_OVER, address)
            running = group.create_task(run(executor, *argv))
            listener.setblocking(False)
            peer, _ = await asyncio.get_running_loop().sock_accept(listener)
            peer.setblocking(True)
            _, held, _, _ = socket.recv_fds(peer, 1, 1)
            peer.send(b"x")
            peer.close()
        try:
            outcome, attempt = running.result()
            assert isinstance(outcome, Succeeded)
            assert attempt.output() == b"done\n"
        finally:
            os.close(held[0])


async def test_a_program_that_closes_its_output_is_still_waited_for(executor: Executor):
    line = "exec >&- 2>&-; sleep 0.2; exit 4"
    outcome, _ = await run(executor, line, shell=True)
    assert isinstance(outcome, Failed)
    assert outcome.error == "exit code 4"


async def test_a_hundred_megabytes_pass_through_in_small_pieces(executor: Executor):
    size = 100 * 2**20
    outcome, attempt = await run(executor, "head", "-c", str(size), "/dev/zero")
    assert isinstance(outcome, Succeeded)
    assert attempt.written_bytes[Stream.STDOUT] == size
    assert attempt.largest_chunk_bytes <= 64 * 1024


async def test_cancelling_lets_a_command_say_its_last_words(executor: Executor):
    line = "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.01; done"
    attempt = RecordingAttempt.of("command", {"argv": [line], "shell": True})
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(attempt))
        await attempt.output_containing(b"ready\n")
        running.cancel()
    assert running.cancelled()
    assert attempt.output() == b"ready\nbye\n"


async def test_cancelling_again_and_again_changes_nothing(executor: Executor):
    line = "trap '' TERM; echo $$; while :; do sleep 1; done"
    attempt = RecordingAttempt.of("command", {"argv": [line], "shell": True})
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(attempt))
        pid = int(await attempt.output_containing(b"\n"))
        for _ in range(5):
            running.cancel()
            await asyncio.sleep(0)
        assert is_alive(pid)
    assert running.cancelled()
    assert not is_alive(pid)


async def test_a_command_that_stands_still_can_be_cancelled(executor: Executor):
    attempt = RecordingAttempt.of("command", {"argv": ["echo $$; kill -STOP $$"], "shell": True})
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(attempt))
        pid = int(await attempt.output_containing(b"\n"))
        running.cancel()
    assert running.cancelled()
    assert not is_alive(pid)


async def test_a_command_that_ran_out_of_its_lease_is_given_back(
    executor: Executor, spawner: GuardedSpawner
):
    attempt = RecordingAttempt.of("command", {"argv": ["echo; sleep 60"], "shell": True})
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(attempt))
        await attempt.output_containing(b"\n")
        spawner.prove_until(0.0)
    assert isinstance(running.result(), Released)
    outcome, _ = await run(executor, "true")
    assert isinstance(outcome, Released)
    assert "not proved" in outcome.reason


async def test_without_a_guardian_nothing_is_said_of_the_end(
    executor: Executor, spawner: GuardedSpawner
):
    attempt = RecordingAttempt.of("command", {"argv": ["echo; sleep 60"], "shell": True})

    async def kill_the_guardian() -> None:
        await attempt.output_containing(b"\n")
        os.kill(spawner.guardian_pid, signal.SIGKILL)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(kill_the_guardian())
        with pytest.raises(ServiceUnavailableError):
            await executor.run(attempt)


async def test_two_hundred_commands_leave_no_descriptor(executor: Executor):
    await run(executor, "true", stdin="x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        async with asyncio.TaskGroup() as group:
            for argv in (["true"], ["false"], ["no-such"], ["cat"]):
                group.create_task(run(executor, *argv, stdin="x"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_entry_point_names_the_executor():
    (entry,) = entry_points(group="hive.executors", name="command")
    assert entry.load() is CommandExecutor
    assert CommandExecutor.payload_type is CommandPayload


async def test_a_command_reads_the_results_of_what_it_comes_after_from_a_private_file(
    executor: Executor,
) -> None:
    file = '"$HIVE_PARENTS"'
    script = f'stat -c %a "$(dirname {file})"; cat {file}; echo; echo {file}'
    attempt = RecordingAttempt.of("command", {"argv": [script], "shell": True, "parents": True})
    attempt.parent_results = [
        ParentResult(
            id=TaskId(7), state=TaskState.FAILED, result=None, is_left_out=False, error="no"
        )
    ]
    assert isinstance(await executor.run(attempt), Succeeded)
    mode, parents, path = attempt.output().decode().splitlines()
    assert mode == "700"
    assert json.loads(parents) == [
        {"id": 7, "state": "failed", "result": None, "is_left_out": False, "error": "no"}
    ]
    assert not Path(path).exists()
