"""How the guardian starts one process.

By `os.posix_spawn`: it borrows the caller's memory instead of copying its tables, so its cost does
not grow with the caller, and it reports what the kernel says of the program. Between it and the
program's first instruction no Python runs. Only what is to keep to limits that a process can lower
and not raise again, or to be in a control group, is started by a fork of the guardian, which takes
them upon itself (`forking`).

Imported by the guardian, so it needs nothing but the built-in part of the standard library.
"""

import errno
import fcntl
import os
import signal

from hive_process.control_groups import ControlGroup
from hive_process.forking import FORKED_FOR, OWN_OUTPUT, fork_and_execute
from hive_process.frames import Order
from hive_process.kernel import OwnOomScore

__all__ = ["Launcher", "out_of_the_way"]

_DEV_NULL = 0
"""The guardian's own standard input is /dev/null, and stands in for what a launch leaves out."""

_TAKE_TERMINAL = ((os.POSIX_SPAWN_OPEN, 0, OWN_OUTPUT, os.O_RDWR, 0),)
"""A session without a terminal has the first that its leader opens."""


class Launcher:
    """Starts processes in sessions of their own, with no signal blocked and none ignored."""

    def __init__(self) -> None:
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._ignored = [
            number
            for number in signal.valid_signals()
            if signal.getsignal(number) is signal.SIG_IGN
        ]
        self._oom_score = OwnOomScore()

    def launch(
        self, order: Order, descriptors: list[int], group: ControlGroup | None = None
    ) -> int:
        """Start `order` with `descriptors` in the places that it names; return the pid.

        In `group`, if there is one, before its program's first instruction.

        Raises:
            OSError: the program or the directory cannot be used; `filename` says which.
        """
        raised: list[int] = []
        try:
            sources = out_of_the_way(descriptors, order.targets, raised)
            files = dict(zip(order.targets, sources, strict=True))
            for target in (0, 1, 2):
                files.setdefault(target, _DEV_NULL)
            if group is None:
                return self._launch_in(order, files, None)
            door = group.open_door()
            raised.append(door)
            return self._launch_in(order, files, door)
        finally:
            for descriptor in raised:
                os.close(descriptor)

    def _launch_in(self, order: Order, files: dict[int, int], door: int | None) -> int:
        if order.cwd is None:
            return self._launch_as(order, files, door)
        # A single thread may change its directory for a moment: nobody else looks.
        os.chdir(order.cwd)
        try:
            return self._launch_as(order, files, door)
        finally:
            os.fchdir(self._home)

    def _launch_as(self, order: Order, files: dict[int, int], door: int | None) -> int:
        """Be for a moment what the child is to be, because it inherits that."""
        umask, oom_score = order.fences.get(b"umask"), order.fences.get(b"oom_score_adj")
        own_umask = None if umask is None else os.umask(umask)
        try:
            if oom_score is not None:
                self._oom_score.raise_to(oom_score)
            return self._spawn(order, files, door)
        finally:
            if oom_score is not None:
                self._oom_score.put_back()
            if own_umask is not None:
                os.umask(own_umask)

    def _spawn(self, order: Order, files: dict[int, int], door: int | None) -> int:
        program = _find_program(order.argv[0], order.env)
        try:
            if door is not None or any(name in order.fences for name in FORKED_FOR):
                return fork_and_execute(program, order, files, self._ignored, door)
            actions = [(os.POSIX_SPAWN_DUP2, ours, target) for target, ours in files.items()]
            return os.posix_spawn(
                program,
                order.argv,
                order.env,
                file_actions=[*actions, *(_TAKE_TERMINAL if order.has_terminal else ())],
                setsid=True,
                setsigmask=(),
                setsigdef=self._ignored,
            )
        except FileNotFoundError as error:
            # The file is there: what is missing is the interpreter that its first line names.
            number = errno.ENOEXEC if os.path.exists(program) else errno.ENOENT  # noqa: PTH110
            raise OSError(number, os.strerror(number), program) from error
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error), program) from error


def out_of_the_way(
    descriptors: list[int], targets: tuple[int, ...], raised: list[int]
) -> list[int]:
    """Return `descriptors`, with copies of those that a target might overwrite too early."""
    above = max(targets, default=0) + 1
    sources: list[int] = []
    for descriptor in descriptors:
        if descriptor >= above:
            sources.append(descriptor)
        else:
            copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above)
            raised.append(copy)
            sources.append(copy)
    return sources


def _find_program(name: bytes, env: dict[bytes, bytes]) -> bytes:
    """Return the path of `name` on the child's own PATH, as a shell would find it.

    Raises:
        OSError: there is none, or none that may be executed.
    """
    if b"/" in name:
        return name
    forbidden = None
    for directory in env.get(b"PATH", os.fsencode(os.defpath)).split(b":"):
        path = directory + b"/" + name if directory else name
        if os.access(path, os.X_OK) and not os.path.isdir(path):  # noqa: PTH112
            return path
        if forbidden is None and os.path.isfile(path):  # noqa: PTH113
            forbidden = path
    number = errno.ENOENT if forbidden is None else errno.EACCES
    raise OSError(number, os.strerror(number), forbidden or name)
