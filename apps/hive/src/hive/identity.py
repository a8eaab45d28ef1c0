"""Which process is meant, also after its number has been given to another.

A process number is reused, so a pid in a file means nothing by itself. With the moment at which the
process started (in ticks since boot) and the boot's own id it names one process for ever.
"""

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

from hive_contracts.errors import ConfigurationError

__all__ = ["ProcessIdentity", "send", "wait"]

START_FIELD = 19
"""Place of the start time in /proc/<pid>/stat, counted after the name, which may hold blanks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process of this machine, past or present."""

    pid: int
    started_ticks: int
    boot_id: str

    @classmethod
    def of_this_process(cls) -> "ProcessIdentity":
        """Return who we are.

        Raises:
            ConfigurationError: this system has no /proc to tell it.
        """
        ticks = _started_ticks(os.getpid())
        if ticks is None:
            raise ConfigurationError("`hive up` needs Linux with /proc mounted")
        return cls(pid=os.getpid(), started_ticks=ticks, boot_id=_boot_id())

    def is_alive(self) -> bool:
        """Return whether this very process runs."""
        return _boot_id() == self.boot_id and _started_ticks(self.pid) == self.started_ticks

    def open(self) -> int | None:
        """Return a descriptor (pidfd) of this process for `send` and `wait`; None if it is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        # Looked at after opening: now the number cannot be given to another behind our back.
        if self.is_alive():
            return descriptor
        os.close(descriptor)
        return None


def send(descriptor: int, number: signal.Signals) -> None:
    """Send a signal to an opened process; one that has ended gets none."""
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return


def wait(descriptor: int, *, seconds: float) -> bool:
    """Return whether an opened process has ended, after waiting for it at most so long."""
    ready, _, _ = select.select([descriptor], [], [], seconds)
    return bool(ready)


def _started_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    # A zombie has ended; only its parent has not looked yet.
    return None if state in "ZX" else int(fields[START_FIELD - 1])


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
