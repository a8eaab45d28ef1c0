"""Start `hive up` so that it goes on when the terminal is gone, and return when it is up."""

import os
import select
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive import up_state
from hive.keeper import tail
from hive.local_plan import HIVE
from hive.parenthood import READY_FD
from hive.settings import Settings
from hive.up_state import UpState
from hive_contracts.clocks import BootClock
from hive_contracts.errors import ConfigurationError, ServiceUnavailableError

__all__ = ["Detached", "start_detached"]

FULL_BYTES: Final = 1 << 20
"""With less room than this not even a log can be counted upon."""

UP_SECONDS: Final = 330.0
"""A little more than a Postgres may take that recovers from a crash."""

LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Detached:
    """A `hive up` that goes on."""

    state: UpState
    is_ours: bool
    """Whether it was started here; False if somebody else began at the same moment, and won."""


def start_detached(settings: Settings) -> Detached:
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
    if is_ready and state is not None:
        return Detached(state, is_ours=True)
    is_anothers = state is None or state.identity.pid != process.pid
    if is_anothers and (state := _wait_for_another(data_dir)) is not None:
        return Detached(state, is_ours=False)
    words = "\n    ".join(tail(log, since=log_offset)) or _silence(log)
    raise ServiceUnavailableError(f"Hive did not come up; {log} ends with\n    {words}")


def _wait_for_another(data_dir: Path) -> UpState | None:
    """Return the `hive up` that somebody else has begun, once it is up; None if it is not."""
    clock = BootClock()
    give_up_at = clock.seconds() + UP_SECONDS
    while up_state.is_held(data_dir) and clock.seconds() < give_up_at:
        state = up_state.read(data_dir)
        if state is not None and state.is_up:
            return state
        time.sleep(LOOK_SECONDS)
    return None


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
