"""How a process that Hive started knows its parent: it dies with it, and tells it when it is ready.

Two variables are set by the supervisor for its children, and taken out of the environment here, so
that what the children start does not mistake them for its own:

    HIVE_DIE_WITH_PARENT   the supervisor's pid
    HIVE_READY_FD          a pipe that the supervisor reads; one byte means "ready"
"""

import contextlib
import ctypes
import os
import signal
import sys
from typing import Final

__all__ = ["DIE_WITH_PARENT", "READY_FD", "announce_ready", "die_with_parent"]

DIE_WITH_PARENT: Final = "HIVE_DIE_WITH_PARENT"
READY_FD: Final = "HIVE_READY_FD"

PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Have the kernel send this process SIGTERM when its parent dies, if its parent asked for it.

    A parent that is gone already ends the process here: the kernel only signals deaths to come.
    """
    expected = os.environ.pop(DIE_WITH_PARENT, None)
    if expected is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(expected):
        sys.exit(f"hive: the supervisor, process {expected}, is gone; nothing is started")


def announce_ready() -> None:
    """Tell whoever started this process that it does its work now; without such a one, nothing."""
    descriptor = os.environ.pop(READY_FD, None)
    if descriptor is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(int(descriptor), b"1")
        os.close(int(descriptor))
