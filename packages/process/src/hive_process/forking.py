"""Start a program under limits that a process can lower and not raise again.

The guardian cannot take them upon itself for a moment, as it does with a directory. So it forks,
and its child takes them upon itself and becomes the program: there is no moment in which that runs
without them, or outside its control group. It costs a millisecond more than `posix_spawn`, for
those only who ask for either.
(Through a shell's `ulimit` it would cost about as much, and the shell would tell of programs that
cannot be started in words of its own, and run a script that has no first line.)

Imported by the guardian, so it needs nothing but the standard library's modules for the system.
"""

import errno
import fcntl
import os
import resource
import signal
import struct
from collections.abc import Sequence

from hive_process.frames import Order

__all__ = ["FORKED_FOR", "OWN_OUTPUT", "fork_and_execute"]

FORKED_FOR = (b"memory_bytes", b"cpu_seconds", b"open_files", b"processes", b"nice")
"""Fences for which a program is started by a fork."""

OWN_OUTPUT = "/proc/self/fd/1"
"""Opened anew by the leader of a session, a terminal there becomes the session's own."""

_CPU_GRACE_SECONDS = 1
"""From SIGXCPU, which a program may catch, to SIGKILL."""

_ERROR = struct.Struct("=i")
_EXIT_CODE = 127


def fork_and_execute(
    program: bytes,
    order: Order,
    files: dict[int, int],
    ignored: Sequence[signal.Signals],
    door: int | None = None,
) -> int:
    """Start `program` within the fences of `order`, in a session of its own; return its pid.

    Args:
        program: its path.
        order: its arguments, environment and fences.
        files: the child's descriptors -> ours, none of which is below a target.
        ignored: signals that this process ignores, and the program is to have as they come.
        door: where to enter a control group (`ControlGroup.open_door`); None for none.

    Raises:
        OSError: the kernel refused to fork, or to execute the program.
    """
    reading, writing = os.pipe()
    try:
        above = max(files) + 1
        told = fcntl.fcntl(writing, fcntl.F_DUPFD_CLOEXEC, above)
        os.close(writing)
        writing = told
        pid = os.fork()
        if pid == 0:
            _become(program, order, files, ignored, told, door=door)
        os.close(writing)
        writing = -1
        answer = os.read(reading, _ERROR.size)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    if answer:
        os.waitpid(pid, 0)
        number = _ERROR.unpack(answer)[0]
        raise OSError(number, os.strerror(number), program)
    return pid


def _become(
    program: bytes,
    order: Order,
    files: dict[int, int],
    ignored: Sequence[signal.Signals],
    told: int,
    *,
    door: int | None,
) -> None:
    """Turn this fork into the program; if that fails, tell why and be gone."""
    number = errno.EINVAL
    try:
        if door is not None:
            os.write(door, b"0")
        os.setsid()
        for target, ours in files.items():
            os.dup2(ours, target)
        if order.has_terminal:
            os.close(os.open(OWN_OUTPUT, os.O_RDWR))
        for each in ignored:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _take_on(order.fences)
        os.execve(program, order.argv, order.env)  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        number = error.errno or errno.EINVAL
    except MemoryError:
        number = errno.ENOMEM
    finally:
        os.write(told, _ERROR.pack(number))
        os._exit(_EXIT_CODE)


def _take_on(fences: dict[bytes, int]) -> None:
    if b"nice" in fences:
        os.nice(fences[b"nice"])
    for name, which in (
        (b"open_files", resource.RLIMIT_NOFILE),
        (b"processes", resource.RLIMIT_NPROC),
        (b"memory_bytes", resource.RLIMIT_AS),
    ):
        if name in fences:
            most = _at_most(which, fences[name])
            resource.setrlimit(which, (most, most))
    if b"cpu_seconds" in fences:
        seconds = fences[b"cpu_seconds"]
        hard = _at_most(resource.RLIMIT_CPU, seconds + _CPU_GRACE_SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (min(seconds, hard), hard))


def _at_most(which: int, wanted: int) -> int:
    """Return `wanted`, or the limit that there is already if that is lower."""
    hard = resource.getrlimit(which)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
