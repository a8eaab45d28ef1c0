"""What Linux tells of processes: parents and children, sessions, start times, and Hive's marker.

Imported by the guardian, so it needs nothing but the built-in part of the standard library. Every
question may come too late: a process that is gone has no parent, no children and no marker.

The marker is a variable in the environment of every process that a guardian starts, inherited by
all that it starts in turn:

    HIVE_GUARD=<boot id>:<guardian's pid>:<guardian's start time>:<number of the tree>

A worker that is itself a task of another Hive hands its own marker down, so that there may be
several, the innermost last, separated by commas. `/proc/<pid>/environ` shows the environment that a
program was started with: a process that forks keeps it, one that executes with another loses it.
"""

import os

__all__ = [
    "MARKER",
    "Status",
    "boot_id",
    "children_of",
    "guard_of",
    "is_alive",
    "marks_of",
    "pids",
    "status_of",
]

MARKER = b"HIVE_GUARD"

_GONE = (FileNotFoundError, ProcessLookupError)

_PF_EXITING = 0x4
"""Among the kernel's flags of a process, in `/proc/<pid>/stat` (include/linux/sched.h)."""


class Status:
    """What `/proc/<pid>/stat` says of a process."""

    __slots__ = ("is_dead", "is_dying", "parent", "session", "started_ticks")

    def __init__(
        self, *, is_dead: bool, is_dying: bool, parent: int, session: int, started_ticks: int
    ) -> None:
        self.is_dead = is_dead
        """Whether it has ended, and only waits to be waited for."""

        self.is_dying = is_dying
        """Whether it, or its first thread, has begun to end: it may have no environment any more,
        but still children."""

        self.parent = parent
        self.session = session
        self.started_ticks = started_ticks
        """Clock ticks from boot to its start; with its pid, a name that is not reused."""


def read(path: str) -> bytes:
    """Return the whole of a file of `/proc`, which may take several reads."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_all(descriptor)
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """Return what is left of a file of `/proc`, which gives about a page at a time."""
    parts: list[bytes] = []
    while part := os.read(descriptor, 65536):
        parts.append(part)
    return b"".join(parts)


def boot_id() -> str:
    """Return the name of this run of the machine's kernel."""
    return read("/proc/sys/kernel/random/boot_id").decode().strip()


def pids() -> list[int]:
    """Return every process that this process can see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def status_of(pid: int) -> Status | None:
    """Return what is known of `pid`, or None if there is no such process."""
    try:
        text = read(f"/proc/{pid}/stat")
    except _GONE:
        return None
    # The name in parentheses may hold spaces and parentheses of its own: what follows does not.
    fields = text[text.rindex(b")") + 2 :].split()
    return Status(
        # A process whose first thread has ended shows as a zombie while its other threads go on.
        is_dead=fields[0] in (b"Z", b"X") and int(fields[17]) <= 1,
        is_dying=bool(int(fields[6]) & _PF_EXITING),
        parent=int(fields[1]),
        session=int(fields[3]),
        started_ticks=int(fields[19]),
    )


def children_of(pid: int) -> list[int]:
    """Return the living and the unwaited-for children of all threads of `pid`.

    Exact while `pid` is stopped, or waits for nobody; otherwise one may be missed that is there.
    """
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 (pathlib is heavy)
    except _GONE:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
        except _GONE:
            continue
    return found


def guard_of(pid: int) -> str | None:
    """Return the marker of the trees that `pid` guards, or None if there is no such process."""
    status = status_of(pid)
    if status is None or status.is_dead:
        return None
    return f"{boot_id()}:{pid}:{status.started_ticks}"


def is_alive(pid: int, *, started_ticks: int, boot: str) -> bool:
    """Return whether that very process runs, and not another that has its number now."""
    return guard_of(pid) == f"{boot}:{pid}:{started_ticks}"


def marks_of(pid: int) -> list[bytes]:
    """Return the markers of `pid`: none if it has none, is gone, or may not be read."""
    try:
        environment = read(f"/proc/{pid}/environ")
    except (*_GONE, PermissionError):
        return []
    for entry in environment.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name == MARKER:
            return value.split(b",")
    return []
