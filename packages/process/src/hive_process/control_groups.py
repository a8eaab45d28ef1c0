"""Control groups (version 2): what bounds a tree of processes together, and kills it at once.

Each command gets a group of its own below the one that `command.control_group` names:

    hive.<namespace of pids>.<boot id>.<guardian's pid>.<its start time>.<number of the tree>

The guardian makes it before the program starts, whose first act is to enter it, so nothing of the
tree was ever outside, whatever it sheds later. Killing it is one write (`cgroup.kill`), which no
fork escapes; the guardian looks at the processes one by one all the same, because it has to count
them and to wait for them. What a guardian has left that is gone, the next worker kills and removes.

Controllers are handed on if the group has them; one that is missing refuses tasks that ask for its
limit, because it would not hold. Nothing else of the machine's groups is touched.

Imported by the guardian, so it needs nothing but the built-in part of the standard library.
"""

import errno
import os
from collections.abc import Mapping

from hive_process import procfs

__all__ = ["CONTROLLERS", "ControlGroup", "hand_on_controllers", "remove_abandoned"]

CONTROLLERS = {
    b"tree_memory_bytes": b"memory",
    b"tree_processes": b"pids",
    b"tree_cpu_percent": b"cpu",
}
"""By the name of a field of `Fences`, the controller that keeps it."""

_PREFIX = b"hive."
_PERIOD_MICROSECONDS = 100_000
_GONE = (FileNotFoundError, ProcessLookupError)


class ControlGroup:
    """The group of one tree."""

    __slots__ = ("path",)

    def __init__(self, path: bytes) -> None:
        self.path = path

    @classmethod
    def make(cls, parent: bytes, mark: bytes, fences: Mapping[bytes, int]) -> "ControlGroup":
        """Make a group below `parent` for the tree whose marker is `mark`, with its limits.

        Raises:
            OSError: the kernel refused; EAGAIN, since it tells nothing of the program.
        """
        name = b"%s%d.%s" % (_PREFIX, _numbering(), mark.replace(b":", b"."))
        group = cls(parent + b"/" + name)
        try:
            os.mkdir(group.path)  # noqa: PTH102 - pathlib is more than the guardian needs
            for name, text in _limits(fences).items():
                _write(group.path + b"/" + name, text)
        except OSError as error:
            group.remove()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), group.path) from error
        return group

    def open_door(self) -> int:
        """Return a descriptor; who writes `0` to it is in the group, with all that it starts.

        Raises:
            OSError: the group is gone.
        """
        return os.open(self.path + b"/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def holds(self, pid: int) -> bool:
        """Return whether a process is in the group, or in one that the tree has made below it."""
        try:
            lines = procfs.read(f"/proc/{pid}/cgroup").splitlines()
        except _GONE:
            return False
        name = self.path[self.path.rindex(b"/") :] + b"/"
        return any(line.startswith(b"0::") and name in line + b"/" for line in lines)

    def kill(self) -> None:
        """SIGKILL everything in the group, also what is being forked (Linux 5.14)."""
        try:
            _write(self.path + b"/cgroup.kill", b"1")
        except OSError:
            # Gone, or an older kernel: the guardian's own rounds kill as they do without groups.
            return

    def remove(self) -> None:
        """Delete the group, if it is empty, and those that the tree has made below it."""
        for folder, _, _ in os.walk(self.path, topdown=False):
            try:
                os.rmdir(folder)  # noqa: PTH106
            except OSError:
                # Something in it is not dead yet: the next worker looks again.
                return


def hand_on_controllers(parent: str) -> frozenset[bytes]:
    """Have groups below `parent` bounded, as far as it can do so; return by which controllers.

    Raises:
        OSError: it is no control group of version 2, or not this user's to make others in.
    """
    os.close(os.open(parent + "/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), parent)
    offered = procfs.read(f"{parent}/cgroup.controllers").split()
    for controller in CONTROLLERS.values():
        if controller in offered:
            _hand_on(parent, controller)
    handed_on = procfs.read(f"{parent}/cgroup.subtree_control").split()
    return frozenset(handed_on) & frozenset(CONTROLLERS.values())


def remove_abandoned(parent: str) -> None:
    """Kill and delete what guardians have left in `parent` that are gone."""
    for name in os.listdir(os.fsencode(parent)):  # noqa: PTH208
        if not name.startswith(_PREFIX):
            continue
        numbering, boot, pid, started, _ = name.removeprefix(_PREFIX).decode().split(".")
        # Of another container with the same groups nothing can be said from here.
        if int(numbering) != _numbering():
            continue
        if procfs.guard_of(int(pid)) != f"{boot}:{pid}:{started}":
            group = ControlGroup(os.fsencode(parent) + b"/" + name)
            group.kill()
            group.remove()


def _hand_on(parent: str, controller: bytes) -> None:
    try:
        _write(os.fsencode(parent) + b"/cgroup.subtree_control", b"+" + controller)
    except OSError:
        # Processes in the group itself forbid it: those that ask for its limit are told.
        return


def _limits(fences: Mapping[bytes, int]) -> dict[bytes, bytes]:
    """Return what is to be written, by file."""
    texts: dict[bytes, bytes] = {}
    if b"tree_memory_bytes" in fences:
        texts[b"memory.max"] = b"%d" % fences[b"tree_memory_bytes"]
        # Half a tree is of no use to anybody.
        texts[b"memory.oom.group"] = b"1"
    if b"tree_processes" in fences:
        texts[b"pids.max"] = b"%d" % fences[b"tree_processes"]
    if b"tree_cpu_percent" in fences:
        quota = fences[b"tree_cpu_percent"] * _PERIOD_MICROSECONDS // 100
        texts[b"cpu.max"] = b"%d %d" % (quota, _PERIOD_MICROSECONDS)
    return texts


def _numbering() -> int:
    """Return by which namespace this process knows others; pids mean nothing beyond it."""
    return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116


def _write(path: bytes, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
