"""What `hive up` leaves in its data directory for other commands: who it is, and where things are.

    up.lock   held by the supervisor for as long as it lives; the kernel lets it go, however it ends
    up.json   who holds it, the servers' addresses, its processes and their logs
    logs/     what the supervisor and its processes say

The file may be stale (power cut, SIGKILL); it is believed only while the process it names lives.
"""

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hive.identity import ProcessIdentity
from hive.private_files import replace_private
from hive_contracts.errors import ConfigurationError

__all__ = [
    "Invitation",
    "ProcessState",
    "UpState",
    "hold",
    "is_held",
    "logs_folder",
    "read",
    "remove",
    "write",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """One process that the supervisor keeps."""

    name: str
    pid: int | None
    """None while it does not run."""

    is_ready: bool
    """Whether it has said that it does its work."""

    starts: int
    last_exit: str | None
    """How it last ended, in words; None if it never has."""

    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """How other machines reach the servers of a `hive up` that listens."""

    address: str
    """Where it listens, as the settings say."""

    database_url: str
    redis_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpState:
    """A running `hive up`."""

    identity: ProcessIdentity
    started_at: datetime
    database_url: str
    redis_url: str
    is_up: bool
    """Whether everything has been started; False while it comes up and goes down."""

    invitation: Invitation | None = None
    """None if it listens for nobody."""

    processes: tuple[ProcessState, ...] = ()


@contextmanager
def hold(data_dir: Path) -> Generator[None]:
    """Be the one supervisor of `data_dir`, which is made if it is missing, until the context ends.

    Raises:
        ConfigurationError: another process is, or the directory cannot be used.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(data_dir, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"another `hive up` has the directory {data_dir}") from None
        yield
    finally:
        os.close(descriptor)


def is_held(data_dir: Path) -> bool:
    """Return whether a supervisor has `data_dir`, if only since a moment ago."""
    try:
        descriptor = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, so that two who ask do not take one another for a supervisor.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def logs_folder(data_dir: Path) -> Path:
    """Return the directory of the logs, which is made if it is missing.

    Raises:
        ConfigurationError: it cannot be made, or the data directory is not ours alone.
    """
    from hive_services.homes import claim_directory  # noqa: PLC0415 - few commands need it

    folder = data_dir / "logs"
    try:
        claim_directory(data_dir)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unusable(data_dir, error) from error
    return folder


def read(data_dir: Path) -> UpState | None:
    """Return the `hive up` that lives in `data_dir`; None if none does.

    Raises:
        ConfigurationError: it is another user's, who keeps it to themselves.
    """
    try:
        found = json.loads((data_dir / "up.json").read_text(encoding="utf-8"))
        state = _state(found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise ConfigurationError(
            f"{error.filename} may not be read by user id {os.geteuid()}: whether a Hive runs there"
            " is only for its owner to know; run as its owner, or name another with --data-dir"
        ) from error
    except (ValueError, KeyError, TypeError):
        # Half a file, or one of another Hive: nobody alive wrote it in this form.
        return None
    return state if state.identity.is_alive() else None


def write(data_dir: Path, state: UpState) -> None:
    """Replace what is known of the `hive up` in `data_dir`, in one step.

    Raises:
        ConfigurationError: it cannot be written; what was there is there still.
    """
    text = json.dumps(asdict(state), indent=2, default=datetime.isoformat)
    try:
        replace_private(data_dir / "up.json", f"{text}\n")
    except OSError as error:
        raise _unusable(data_dir, error) from error


def remove(data_dir: Path) -> None:
    """Forget the `hive up` in `data_dir`."""
    (data_dir / "up.json").unlink(missing_ok=True)


def _unusable(data_dir: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"the data directory {data_dir} cannot be used: {error.strerror}")


def _state(found: dict[str, Any]) -> UpState:
    return UpState(
        identity=ProcessIdentity(**found["identity"]),
        started_at=datetime.fromisoformat(found["started_at"]),
        database_url=found["database_url"],
        redis_url=found["redis_url"],
        is_up=found["is_up"],
        # Absent in what an older Hive has written, which may still be up.
        invitation=_invitation(found.get("invitation")),
        processes=tuple(ProcessState(**process) for process in found["processes"]),
    )


def _invitation(found: dict[str, str] | None) -> Invitation | None:
    return None if found is None else Invitation(**found)
