"""Start `hive up` so that it goes on when the terminal is gone, and return when it is up."""

import os
import select
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from hive import up_state
from hive.keeper import tail
from hive.local_plan import HIVE
from hive.parenthood import READY_FD
from hive.settings import Settings
from hive.up_state import UpState
from hive_contracts.errors import ConfigurationError, ServiceUnavailableError

__all__ = ["start_detached"]

FULL_BYTES: Final = 1 << 20
"""With less room than this not even a log can be counted upon."""

UP_SECONDS: Final = 330.0
"""A little more than a Postgres may take that recovers from a crash."""


def start_detached(settings: Settings) -> UpState:
    """Start a supervisor in a session of its own; return what it keeps up, once it does.

    Raises:
        ConfigurationError: the data directory cannot be used.
        ServiceUnavailableError: it did not come up; the message has the end of its log.
    """
    data_dir = settings.services.data_dir
    log = up_state.logs_folder(data_dir) / "up.log"
    log_offset = _prepared(log)
    reads, writes = os.pipe()
    try:
        process = _started(settings, log, writes)
    finally:
        os.close(writes)
    try:
        is_ready = _says_ready(reads)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        raise
    finally:
        os.close(reads)
    state = up_state.read(data_dir)
    if not is_ready or state is None:
        words = "\n    ".join(tail(log, since=log_offset)) or _silence(log)
        raise ServiceUnavailableError(f"Hive did not come up; {log} ends with\n    {words}")
    return state


def _prepared(log: Path) -> int:
    """See that the log can be written; return how long it is."""
    try:
        log.touch(mode=0o600)
        return log.stat().st_size
    except OSError as error:
        raise ConfigurationError(f"{log} cannot be written: {error.strerror}") from error


def _silence(log: Path) -> str:
    is_full = shutil.disk_usage(log.parent).free < FULL_BYTES
    return "nothing, because its disk is full" if is_full else "nothing"


def _started(settings: Settings, log: Path, ready_fd: int) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [*HIVE, "up"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **settings.for_children(), READY_FD: str(ready_fd)},
            pass_fds=(ready_fd,),
            start_new_session=True,
        )


def _says_ready(descriptor: int) -> bool:
    readable, _, _ = select.select([descriptor], [], [], UP_SECONDS)
    # The end of the pipe without a byte: it has ended.
    return bool(readable and os.read(descriptor, 1))
