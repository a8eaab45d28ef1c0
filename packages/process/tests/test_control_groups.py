"""Control groups, the real ones where this machine has any: what they hold, and until when."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hive_contracts.errors import ConfigurationError
from hive_contracts.execution import Tools
from hive_contracts.outcomes import Failed, Succeeded
from hive_process import procfs
from hive_process.command import CommandExecutor
from hive_process.control_groups import ControlGroup, hand_on_controllers, remove_abandoned
from hive_process.fences import inspect_fences
from hive_process.payload import CommandSettings
from hive_process.spawner import GuardedSpawner
from hive_testkit.attempts import RecordingAttempt
from hive_testkit.waiting import until

DEAD_GUARDIAN = b"%s:4194304:1:7" % procfs.boot_id().encode()
HIDING = (
    "import os\nif os.fork(): os._exit(0)\n"
    "os.setsid(); os.execve('/bin/sleep', ['sleep', '60'], {})"
)


def unified() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        if words[words.index("-") + 1] == "cgroup2":
            return Path(words[4])
    return None


@pytest.fixture
def parent() -> Generator[Path]:
    """A control group of the test's own, in which nothing may be left."""
    root = unified()
    place = Path("/nowhere" if root is None else root) / f"hive-test-{uuid4().hex}"
    try:
        place.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    yield place
    try:
        assert [each.name for each in place.iterdir() if each.is_dir()] == []
    finally:
        (place / "cgroup.kill").write_text("1")
        for folder, _, _ in os.walk(place, topdown=False):
            Path(folder).rmdir()


@asynccontextmanager
async def executor_in(place: Path, spawner: GuardedSpawner) -> AsyncGenerator[CommandExecutor]:
    settings = CommandSettings(control_group=str(place), grace_seconds=0.3)
    async with CommandExecutor.open(Tools(spawner=spawner, settings=(settings,))) as executor:
        yield executor


async def test_a_command_and_all_that_it_starts_are_in_a_group_that_is_gone_afterwards(
    parent: Path, spawner: GuardedSpawner
) -> None:
    async with executor_in(parent, spawner) as executor:
        line = "cat /proc/self/cgroup; setsid env -i cat /proc/self/cgroup"
        attempt = RecordingAttempt.of("command", {"argv": [line], "shell": True})
        assert isinstance(await executor.run(attempt), Succeeded)
    own, started = [
        line for line in attempt.output().decode().splitlines() if line.startswith("0::")
    ]
    assert own == started
    assert f"/{parent.name}/hive." in own


async def test_what_sheds_all_that_it_is_known_by_ends_with_its_command(
    parent: Path, spawner: GuardedSpawner
) -> None:
    async with executor_in(parent, spawner) as executor, asyncio.TaskGroup() as group:
        other = RecordingAttempt.of("command", {"argv": ["sleep", "60"]})
        runs = group.create_task(executor.run(other))
        await until(lambda: any(each.is_dir() for each in parent.iterdir()))
        argv = [sys.executable, "-ISc", HIDING]
        attempt = RecordingAttempt.of("command", {"argv": argv})
        ended = await executor.run(attempt)
        assert isinstance(ended, Succeeded)
        result: Any = ended.result
        assert result["left_behind"] == 1
        assert not runs.done()
        runs.cancel()


async def test_a_program_that_cannot_be_started_leaves_no_group(
    parent: Path, spawner: GuardedSpawner
) -> None:
    async with executor_in(parent, spawner) as executor:
        attempt = RecordingAttempt.of("command", {"argv": ["no-such-program"]})
        ended = await executor.run(attempt)
    assert isinstance(ended, Failed)
    assert "no such program" in ended.error


def test_the_next_worker_ends_what_a_guardian_left_that_is_gone(parent: Path) -> None:
    left = ControlGroup.make(os.fsencode(parent), DEAD_GUARDIAN, {})
    own_mark = procfs.guard_of(os.getpid())
    assert own_mark is not None
    guarded = ControlGroup.make(os.fsencode(parent), own_mark.encode() + b":1", {})
    inner = Path(os.fsdecode(left.path)) / "made-by-the-tree"
    inner.mkdir()
    with subprocess.Popen(["sleep", "60"], env={}) as process:
        (inner / "cgroup.procs").write_text(str(process.pid))
        assert left.holds(process.pid)
        assert not guarded.holds(process.pid)
        remove_abandoned(str(parent))
        assert process.wait(20) == -9
    # What was not dead yet when it looked, the one after it removes.
    remove_abandoned(str(parent))
    assert [each for each in parent.iterdir() if each.is_dir()] == [Path(os.fsdecode(guarded.path))]
    guarded.remove()


def test_controllers_that_the_group_has_are_handed_on(parent: Path) -> None:
    offered = set((parent / "cgroup.controllers").read_bytes().split())
    assert hand_on_controllers(str(parent)) == offered & {b"memory", b"pids", b"cpu"}


async def test_a_limit_of_the_tree_that_would_not_hold_is_refused(
    parent: Path, spawner: GuardedSpawner, executor: CommandExecutor
) -> None:
    asked = {"argv": ["true"], "limits": {"tree_memory": "1G"}}
    ended = await executor.run(RecordingAttempt.of("command", asked))
    assert isinstance(ended, Failed)
    assert ended.error == (
        "limits.tree_memory would not hold: the worker has no control group;"
        " set command.control_group, or leave it out"
    )
    if b"memory" in hand_on_controllers(str(parent)):
        return
    async with executor_in(parent, spawner) as grouped:
        ended = await grouped.run(RecordingAttempt.of("command", asked))
    assert isinstance(ended, Failed)
    assert "has a control group without the controller memory" in ended.error


def test_limits_are_written_as_the_kernel_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def make_as_the_kernel_does(path: bytes) -> None:
        mkdir(path)
        for name in ("memory.max", "memory.oom.group", "pids.max", "cpu.max"):
            (Path(os.fsdecode(path)) / name).touch()

    monkeypatch.setattr(os, "mkdir", make_as_the_kernel_does)
    fences = {b"tree_memory_bytes": 1 << 30, b"tree_processes": 64, b"tree_cpu_percent": 150}
    group = ControlGroup.make(os.fsencode(tmp_path), DEAD_GUARDIAN, fences)
    files = {each.name: each.read_text() for each in Path(os.fsdecode(group.path)).iterdir()}
    assert files == {
        "memory.max": str(1 << 30),
        "memory.oom.group": "1",
        "pids.max": "64",
        "cpu.max": "150000 100000",
    }


async def test_a_directory_that_is_no_control_group_is_named(
    tmp_path: Path, spawner: GuardedSpawner
) -> None:
    with pytest.raises(ConfigurationError, match="no control group of version 2"):
        async with executor_in(tmp_path, spawner):
            pass


def test_the_doctor_says_what_the_group_can_do(parent: Path, tmp_path: Path) -> None:
    *_, fence = inspect_fences(str(parent))
    assert fence.holds
    assert fence.found.startswith(f"below {parent}: trees end at once")
    *_, fence = inspect_fences(str(tmp_path))
    assert not fence.holds
    assert fence.remedy is not None
    assert "cannot be used" in fence.found
