"""What a command may use: programs that want more, and what becomes of them."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hive_contracts.errors import ConfigurationError
from hive_contracts.execution import Executor, Tools
from hive_contracts.outcomes import Failed, Outcome, Succeeded
from hive_process.command import CommandExecutor
from hive_process.limits import Limits, read_limits
from hive_process.payload import CommandPayload, CommandSettings
from hive_process.spawner import GuardedSpawner
from hive_testkit.attempts import RecordingAttempt
from hive_testkit.processes import is_alive

MEMORY = 512 << 20


def nicer_by(steps: int) -> int:
    """Return what these tests' own niceness comes to with so many steps more."""
    return min(19, os.nice(0) + steps)


async def run(executor: Executor, *argv: str, **more: Any) -> tuple[Outcome, str]:
    attempt = RecordingAttempt.of("command", {"argv": argv, **more})
    outcome = await executor.run(attempt)
    return outcome, attempt.output().decode()


async def python(executor: Executor, code: str, **more: Any) -> tuple[Outcome, str]:
    return await run(executor, sys.executable, "-ISc", code, **more)


@asynccontextmanager
async def executor_with(spawner: GuardedSpawner, **more: Any) -> AsyncGenerator[CommandExecutor]:
    settings = CommandSettings(**more)
    async with CommandExecutor.open(Tools(spawner=spawner, settings=(settings,))) as executor:
        yield executor


async def test_a_command_gets_no_more_memory_than_its_limit(executor: Executor):
    code = "try: bytearray(1 << 30)\nexcept MemoryError: print('refused')"
    _, said = await python(executor, code, limits={"memory": "512M"})
    assert said == "refused\n"
    _, said = await python(executor, "print(len(bytearray(1 << 20)))", limits={"memory": MEMORY})
    assert said == f"{1 << 20}\n"


async def test_what_a_command_starts_keeps_to_the_limit_as_well(executor: Executor):
    code = f"'{sys.executable}' -ISc 'bytearray(1 << 30)' 2>&1 | tail -n 1"
    _, said = await run(executor, code, shell=True, limits={"memory": "512M"})
    assert said == "MemoryError\n"


async def test_a_command_that_has_used_its_processor_time_is_killed_and_told_why(
    executor: Executor,
):
    outcome, _ = await python(executor, "while True: pass", limits={"cpu_seconds": 1})
    assert isinstance(outcome, Failed)
    assert outcome.error == (
        "killed by SIGXCPU; it had used the processor time that its limits give it"
    )
    result: Any = outcome.result
    # The kernel counts what it sends the signal for in other ways than what it tells afterwards.
    assert result["cpu_seconds"] > 0.4


async def test_a_command_that_will_not_hear_of_it_is_killed_a_second_later(executor: Executor):
    code = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    outcome, _ = await python(executor, code, limits={"cpu_seconds": 1})
    result: Any = outcome.result if isinstance(outcome, Failed) else {}
    assert result["signal"] == "SIGKILL"


async def test_a_command_opens_no_more_files_than_its_limit(executor: Executor):
    code = "import os\ntry:\n while True: last = os.dup(0)\nexcept OSError: print(last)"
    _, said = await python(executor, code, limits={"files": 64})
    assert said == "63\n"


async def test_every_limit_reaches_the_kernel(executor: Executor):
    limits = {"memory": "1G", "cpu_seconds": 7, "files": 99, "nice": 3}
    _, said = await run(executor, "cat /proc/self/limits; nice", shell=True, limits=limits)
    seen = [line.split() for line in said.splitlines()]
    assert ["Max", "address", "space", str(1 << 30), str(1 << 30), "bytes"] in seen
    assert ["Max", "cpu", "time", "7", "8", "seconds"] in seen
    assert ["Max", "open", "files", "99", "99", "files"] in seen
    assert seen[-1] == [str(nicer_by(3))]


async def test_the_number_of_processes_is_limited_or_the_limit_is_refused(executor: Executor):
    outcome, said = await run(
        executor, "sh -c 'sleep 60' & echo on", shell=True, limits={"processes": 1}
    )
    if os.geteuid() == 0:
        assert isinstance(outcome, Failed)
        assert not outcome.is_retryable
        assert "runs as root, whose processes Linux does not count" in outcome.error
    else:
        assert said == ""


async def test_without_limits_no_core_is_dropped_and_nothing_else_is_bounded(executor: Executor):
    _, said = await run(executor, "cat", "/proc/self/limits")
    own = Path("/proc/self/limits").read_text().splitlines()
    [core] = [line for line in said.splitlines() if "core" in line]
    assert core.split()[4] == "0"
    assert [line for line in said.splitlines() if "core" not in line] == [
        line for line in own if "core" not in line
    ]


async def test_a_limited_program_is_started_as_any_other(executor: Executor, tmp_path: Path):
    code = (
        "import os, sys; print(os.getsid(0) == os.getpid(), sorted(os.listdir('/proc/self/fd')),"
        " os.getcwd(), sys.stdin.read(), os.environ['HIVE_TASK_ID'])"
    )
    payload: dict[str, Any] = {"limits": {"nice": 1}, "cwd": str(tmp_path), "stdin": "in"}
    outcome, said = await python(executor, code, **payload)
    assert isinstance(outcome, Succeeded)
    # 3 is the directory that is being listed.
    assert said == f"True ['0', '1', '2', '3'] {tmp_path} in 1\n"
    _, said = await run(executor, "cat", "/proc/self/status", **payload)
    masks = dict(line.split(":\t") for line in said.splitlines() if ":\t" in line)
    # 32 and 33 are the C library's own, which its posix_spawn leaves ignored.
    of_the_c_library = 0b11 << 31
    assert int(masks["SigBlk"], 16) == 0
    assert int(masks["SigIgn"], 16) & ~of_the_c_library == 0


async def test_what_a_limited_program_leaves_behind_is_ended(executor: Executor):
    outcome, said = await run(
        executor, "setsid sleep 60 & echo $!", shell=True, limits={"nice": 1, "memory": "1G"}
    )
    assert isinstance(outcome, Succeeded)
    assert not is_alive(int(said))


async def test_a_limited_program_that_cannot_be_started_is_told_of_as_any_other(
    executor: Executor, tmp_path: Path
):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    shapeless = tmp_path / "shapeless"
    shapeless.write_text("echo on\n")
    shapeless.chmod(0o755)
    for argv, reason in [
        (["no-such-program"], "no such program: 'no-such-program'"),
        (["/etc/passwd"], "not an executable program: '/etc/passwd'"),
        ([str(script)], "interpreter"),
        ([str(shapeless)], "neither a program for this machine"),
        (["true", "x" * 200_000], "too long for"),
    ]:
        outcome, _ = await run(executor, *argv, limits={"nice": 1})
        assert isinstance(outcome, Failed)
        assert reason in outcome.error
        assert not outcome.is_retryable


async def test_a_task_gets_no_more_than_the_worker_gives(spawner: GuardedSpawner):
    async with executor_with(spawner, limits=("files=99", "memory=1G", "nice=2")) as executor:
        for said, files, nice in [
            ({}, 99, 2),
            ({"files": 500, "nice": 1}, 99, 2),
            ({"files": 50, "nice": 4}, 50, 4),
        ]:
            _, output = await run(executor, "ulimit -n; nice", shell=True, limits=said)
            assert output.split() == [str(files), str(nicer_by(nice))]


async def test_files_are_made_with_the_mask_that_is_said(spawner: GuardedSpawner):
    async with executor_with(spawner, umask="027") as executor:
        assert (await run(executor, "umask", shell=True))[1] == "0027\n"
        assert (await run(executor, "umask", shell=True, umask="077"))[1] == "0077\n"
    async with executor_with(spawner) as executor:
        own = os.umask(0o022)
        os.umask(own)
        assert (await run(executor, "umask", shell=True))[1] == f"{own:04o}\n"


async def test_a_command_is_killed_before_hive_when_memory_is_short(spawner: GuardedSpawner):
    own = int(Path(f"/proc/{spawner.guardian_pid}/oom_score_adj").read_text())
    async with executor_with(spawner, oom_score_adj=max(own, 700)) as executor:
        for limits in ({}, {"nice": 1}):
            line = "cat /proc/self/oom_score_adj"
            _, said = await run(executor, line, shell=True, limits=limits)
            assert said == f"{max(own, 700)}\n"
    assert int(Path(f"/proc/{spawner.guardian_pid}/oom_score_adj").read_text()) == own


async def test_many_limited_commands_leave_no_descriptor_and_no_process(
    executor: Executor, spawner: GuardedSpawner
):
    folder = Path(f"/proc/{spawner.guardian_pid}/fd")
    await run(executor, "true", limits={"nice": 1})
    before = len(list(folder.iterdir()))
    async with asyncio.TaskGroup() as group:
        for number in range(40):
            program = ("true", "false", "no-such", "/etc/passwd")[number % 4]
            group.create_task(run(executor, program, limits={"nice": 1, "files": 64}))
    assert len(list(folder.iterdir())) == before
    assert (
        Path(f"/proc/{spawner.guardian_pid}/task/{spawner.guardian_pid}/children").read_text() == ""
    )


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"memry": 1},
            "limits has no 'memry'; limits: cpu_seconds, files, memory, nice, processes",
        ),
        ({"memory": "a lot"}, "limits.memory is 'a lot'; it must be bytes, as in"),
        (
            {"memory": 1024},
            "limits.memory is 1024; it must be bytes, as in 536870912 or 512M, from",
        ),
        ({"memory": "9999999999999999999"}, "limits.memory"),
        ({"cpu_seconds": 0}, "limits.cpu_seconds is 0; it must be a whole number, from 1 to"),
        ({"cpu_seconds": "5s"}, "limits.cpu_seconds is '5s'"),
        ({"nice": -5}, "limits.nice is -5; it must be a whole number, from 0 to 19"),
        ({"files": 3}, "limits.files is 3"),
    ],
)
def test_a_limit_that_means_nothing_is_refused_by_name(limits: dict[str, Any], words: str):
    with pytest.raises(ValueError, match="limits") as raised:
        CommandPayload(argv=("true",), limits=limits)
    assert words in str(raised.value)
    texts = tuple(f"{name}={value}" for name, value in limits.items())
    with pytest.raises(ConfigurationError) as refused:
        CommandSettings(limits=texts)
    assert f"command.{words}" in str(refused.value)


@pytest.mark.parametrize("umask", ["", "999", "rwx", "-22", "0777777"])
def test_a_mask_that_is_none_is_refused(umask: str):
    with pytest.raises(ValueError, match="umask is an octal number like 022"):
        CommandPayload(argv=("true",), umask=umask)
    with pytest.raises(ConfigurationError, match="umask is an octal"):
        CommandSettings(umask=umask)


@pytest.mark.parametrize("score", [-1, 1001])
def test_a_score_beyond_the_kernels_is_refused(score: int):
    with pytest.raises(ConfigurationError, match="oom_score_adj is from 0 to 1000"):
        CommandSettings(oom_score_adj=score)


def test_sizes_are_read_with_their_units():
    for text, size in [
        ("16777216", 16 << 20),
        ("64M", 64 << 20),
        ("2g", 2 << 30),
        ("64MiB", 64 << 20),
    ]:
        assert read_limits({"memory": text}) == Limits(memory=size)
