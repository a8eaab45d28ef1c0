"""What is said of the fences is what holds."""

import os
from pathlib import Path

from hive_process.fences import Fence, inspect_fences

MOUNT = "31 23 0:26 / {place} rw,relatime shared:4 - {kind} {kind} rw\n"


def fences(proc: Path) -> dict[str, Fence]:
    return {fence.name.removeprefix("fence: "): fence for fence in inspect_fences(proc=proc)}


def processes_of(folder: Path, *, mounts: str) -> Path:
    """Return a folder that looks like /proc, with a process of one thread."""
    (folder / "self/task/1").mkdir(parents=True)
    (folder / "self/task/1/children").touch()
    (folder / "self/environ").touch()
    (folder / "self/mountinfo").write_text(mounts)
    return folder


def test_the_fences_that_the_promises_stand_on_hold_where_these_tests_pass():
    found = fences(Path("/proc"))
    assert found["process trees"].holds
    assert found["process trees"].remedy is None
    assert found["limits"].holds
    assert ("those of root" in found["limits"].found) is (os.geteuid() == 0)


def test_a_kernel_that_does_not_tell_of_children_is_to_be_mended(tmp_path: Path):
    proc = processes_of(tmp_path, mounts="")
    (proc / "self/task/1/children").unlink()
    trees = fences(proc)["process trees"]
    assert not trees.holds
    assert trees.found == f"missing: {proc}/self/task/*/children"
    assert "CONFIG_PROC_CHILDREN" in (trees.remedy or "")


def test_control_groups_are_named_and_said_not_to_be_used(tmp_path: Path):
    place = tmp_path / "unified"
    place.mkdir()
    (place / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    mounts = MOUNT.format(kind="cgroup2", place=place)
    found = fences(processes_of(tmp_path, mounts=mounts))["control groups"]
    assert not found.holds
    assert found.remedy is None
    assert found.found.startswith("not used")
    assert found.found.endswith("here: version 2 with memory, pids, cpu")
    (place / "cgroup.controllers").write_text("\n")
    again = fences(tmp_path)["control groups"]
    assert again.found.endswith("version 2 with no controller for memory, pids or cpu")
    (tmp_path / "self/mountinfo").write_text(MOUNT.format(kind="cgroup", place="/x"))
    assert fences(tmp_path)["control groups"].found.endswith("here: version 1")
    (tmp_path / "self/mountinfo").write_text("")
    assert fences(tmp_path)["control groups"].found.endswith("here: none")
