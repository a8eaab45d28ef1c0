"""Which process is meant, also after its number has been given to another.

A process number is reused, so a pid in a file means nothing by itself. With the moment at which the
process started (in ticks since boot) and the boot's own id it names one process for ever.
"""

import os
import select
import signal
from dataclasses import dataclass

from hive_contracts.errors import ConfigurationError
from hive_process import procfs

__all__ = ["ProcessIdentity", "send", "wait"]


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
        status = procfs.status_of(os.getpid())
        if status is None:
            raise ConfigurationError("`hive up` needs Linux with /proc mounted")
        return cls(pid=os.getpid(), started_ticks=status.started_ticks, boot_id=procfs.boot_id())

    def is_alive(self) -> bool:
        """Return whether this very process runs."""
        return procfs.is_alive(self.pid, started_ticks=self.started_ticks, boot=self.boot_id)

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
