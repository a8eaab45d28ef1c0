"""Looking at processes from outside: whether they live, and waiting until they do not."""

import os
import select
from pathlib import Path

__all__ = ["has_died", "is_alive"]


def is_alive(pid: int) -> bool:
    """Return whether `pid` is a process that has not ended; a zombie has."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "\nState:\tZ" not in status and "\nState:\tX" not in status


def has_died(pid: int, *, within_seconds: float = 10.0) -> bool:
    """Wait until `pid` has ended; return whether it has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within_seconds)[0])
    finally:
        os.close(descriptor)
