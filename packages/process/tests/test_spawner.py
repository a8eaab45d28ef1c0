"""Starting processes: what they get, what is refused, and what it costs the worker."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hive_contracts.errors import ServiceUnavailableError
from hive_contracts.spawning import Launch
from hive_process.spawner import GuardedSpawner
from hive_testkit.processes import has_died

TRUE = Launch(argv=("/bin/true",), env={})


async def test_the_exit_code_is_told(shell: Any):
    ended = await shell.run("/bin/sh", "-c", "exit 3")
    assert (ended.code, ended.signal, ended.fenced) == (3, None, False)


async def test_the_signal_that_ended_it_is_told(shell: Any):
    ended = await shell.run("/bin/sh", "-c", "kill -SEGV $$")
    assert (ended.code, ended.signal) == (None, signal.SIGSEGV)


async def test_what_it_used_is_told(shell: Any):
    process = await shell.python("x = bytearray(64 * 2**20)\nfor i in range(10**6): pass")
    ended = await process.wait()
    assert ended.peak_memory_bytes > 64 * 2**20
    assert ended.cpu_seconds > 0.005


async def test_waiting_again_tells_the_same(shell: Any):
    process = await shell.spawn("/bin/sh", "-c", "exit 4")
    assert await process.wait() is await process.wait()


async def test_a_process_leads_a_session_of_its_own(shell: Any):
    process = await shell.python("import os; print(os.getpid(), os.getsid(0), os.getpgid(0))")
    await process.wait()
    assert shell.pids() == [process.pid] * 3


async def test_no_signal_is_blocked_or_ignored(shell: Any):
    await shell.run("cat", "/proc/self/status")
    masks = dict(line.split(":\t") for line in shell.printed().splitlines())
    # 32 and 33 are the C library's own, which its posix_spawn leaves ignored.
    of_the_c_library = 0b11 << 31
    assert int(masks["SigBlk"], 16) == 0
    assert int(masks["SigIgn"], 16) & ~of_the_c_library == 0


async def test_what_is_not_named_is_dev_null(spawner: GuardedSpawner, tmp_path: Path):
    line = f"(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2; :) > {tmp_path}/seen; :"
    argv = ("/bin/sh", "-c", line)
    await (await spawner.spawn(Launch(argv=argv, env={}))).wait()
    assert (tmp_path / "seen").read_text().split() == ["/dev/null"] * 3


async def test_a_process_has_the_descriptors_that_it_was_given_and_no_others(shell: Any):
    await shell.run("ls", "/proc/self/fd")
    # The fourth is the one that `ls` reads the directory with.
    assert shell.pids() == [0, 1, 2, 3]


async def test_descriptors_may_change_places(spawner: GuardedSpawner):
    reads, writes = zip(*(os.pipe() for _ in range(12)), strict=True)
    try:
        code = "import os\nfor n in range(3, 15): os.write(n, b'%d' % n)"
        files = dict(zip(range(3, 15), reversed(writes), strict=True))
        launch = Launch(argv=(sys.executable, "-ISc", code), env={}, files=files)
        assert (await (await spawner.spawn(launch)).wait()).code == 0
        assert [os.read(end, 10) for end in reversed(reads)] == [b"%d" % n for n in range(3, 15)]
    finally:
        for descriptor in (*reads, *writes):
            os.close(descriptor)


async def test_the_environment_is_what_was_asked_for_and_the_marker(shell: Any):
    shell.env = {"PATH": "/usr/bin:/bin", "A": "b=c", "EMPTY": ""}
    await shell.run("env")
    variables = dict(line.split("=", 1) for line in shell.printed().splitlines())
    boot, pid, _, number = variables.pop("HIVE_GUARD").split(",")[-1].split(":")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert (int(pid), int(number)) == (shell.spawner.guardian_pid, 1)
    assert variables == shell.env


async def test_a_process_starts_in_its_directory_and_the_next_in_ours(shell: Any, tmp_path: Path):
    await shell.run("pwd", cwd=str(tmp_path))
    await shell.run("pwd")
    assert shell.printed().split() == [str(tmp_path), str(Path.cwd())]


async def test_a_program_is_looked_up_on_the_path_of_its_own_environment(
    shell: Any, tmp_path: Path
):
    program = tmp_path / "bin" / "greet"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    shell.env = {"PATH": f"/nowhere:{program.parent}"}
    assert (await shell.run("greet")).code == 0
    assert shell.printed() == "hello\n"


@pytest.mark.parametrize(
    ("content", "mode", "number"),
    [
        (None, 0, errno.ENOENT),
        ("#!/bin/sh\n", 0o644, errno.EACCES),
        ("#!/no/such/interpreter\n", 0o755, errno.ENOEXEC),
        ("neither binary nor script", 0o755, errno.ENOEXEC),
    ],
)
@pytest.mark.parametrize("by_path", [True, False])
async def test_a_program_that_cannot_be_used_is_refused_by_name(  # noqa: PLR0917
    content: str | None, mode: int, number: int, by_path: bool, shell: Any, tmp_path: Path
):
    program = tmp_path / "bin" / "tool"
    program.parent.mkdir()
    if content is not None:
        program.write_text(content)
        program.chmod(mode)
    shell.env = {"PATH": str(program.parent)}
    with pytest.raises(OSError, match="tool") as refused:
        await shell.spawn(str(program) if by_path else "tool")
    assert refused.value.errno == number


async def test_a_folder_is_no_program(shell: Any, tmp_path: Path):
    with pytest.raises(PermissionError):
        await shell.spawn(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "error"), [("none", FileNotFoundError), ("f", NotADirectoryError)]
)
async def test_a_directory_that_cannot_be_used_is_refused_by_name(
    name: str, error: type[OSError], shell: Any, tmp_path: Path
):
    (tmp_path / "f").write_text("")
    with pytest.raises(error) as refused:
        await shell.spawn("true", cwd=str(tmp_path / name))
    assert refused.value.filename == str(tmp_path / name)
    assert (await shell.run("true")).code == 0


async def test_arguments_larger_than_any_socket_buffer_arrive(shell: Any):
    words = [str(number) * 100_000 for number in range(10)]
    await shell.run("printf", "%s", *words)
    assert shell.printed() == "".join(words)


async def test_arguments_that_the_kernel_refuses_are_an_error(shell: Any):
    with pytest.raises(OSError, match="true") as refused:
        await shell.spawn("true", "x" * 200_000)
    assert refused.value.errno == errno.E2BIG


@pytest.mark.parametrize("launch", [Launch(argv=("a\0b",), env={}), Launch(argv=(), env={})])
async def test_what_no_kernel_can_be_told_is_refused(spawner: GuardedSpawner, launch: Launch):
    with pytest.raises(ValueError, match="a launch"):
        await spawner.spawn(launch)


async def run_true(spawner: GuardedSpawner) -> None:
    assert (await (await spawner.spawn(TRUE)).wait()).code == 0


async def spawn_many(count: int) -> None:
    async with GuardedSpawner.open() as spawner, asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(run_true(spawner))


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_hundreds_may_be_started_at_once_on_either_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(spawn_many(300))


def open_descriptors(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_no_descriptor_is_lost_over_two_hundred_starts(shell: Any):
    await shell.run("true")
    before = open_descriptors("self"), open_descriptors(shell.spawner.guardian_pid)
    for _ in range(100):
        await shell.run("true")
        with pytest.raises(FileNotFoundError):
            await shell.spawn("no-such-program")
    after = open_descriptors("self"), open_descriptors(shell.spawner.guardian_pid)
    assert after == before


async def test_a_cancelled_start_leaves_nothing(shell: Any):
    guardian = shell.spawner.guardian_pid
    async with asyncio.TaskGroup() as group:
        os.kill(guardian, signal.SIGSTOP)
        starting = group.create_task(shell.spawn("/bin/sh", "-c", "echo $$; exec sleep 60"))
        await asyncio.sleep(0)
        starting.cancel()
        await asyncio.sleep(0)
        # The frame is on its way: nobody may believe that nothing was started.
        assert not starting.done()
        os.kill(guardian, signal.SIGCONT)
    assert starting.cancelled()
    assert all(has_died(pid, within_seconds=0) for pid in shell.pids())


async def test_a_cancelled_wait_does_not_end_the_process(shell: Any):
    process = await shell.spawn("sleep", "60")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await process.wait()
    assert not has_died(process.pid, within_seconds=0)
    assert (await process.stop(grace_seconds=5)).signal == signal.SIGTERM


async def test_closing_ends_everything_and_nothing_starts_afterwards(tmp_path: Path):
    async with GuardedSpawner.open() as spawner:
        process = await spawner.spawn(Launch(argv=("sleep", "60"), env={"PATH": "/bin:/usr/bin"}))
    assert has_died(process.pid, within_seconds=0)
    assert has_died(spawner.guardian_pid, within_seconds=0)
    assert not spawner.lost.is_set()
    with pytest.raises(ServiceUnavailableError):
        await process.wait()
    with pytest.raises(ServiceUnavailableError):
        await spawner.spawn(TRUE)
