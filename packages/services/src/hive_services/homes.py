"""Where a service keeps its things, and that nobody else can reach them.

    <data directory>/
      postgres/       the data itself
      postgres.new-*/ a data directory in the making; renamed once it is whole
      postgres.lock   held while somebody supervises the service; holds their process id
      postgres.log    what the server says; postgres.log.1 is what it said before
      postgres.run/   its socket
      postgres.door   port and password for other machines, if it listens for them

and likewise for `redis`, so that both may share one data directory.

A socket's path must stay below 108 bytes. When it would be too long, or has characters that the
clients' URL parsers treat in different ways, the socket goes to a directory below /tmp that is
named after the data directory. Neither place depends on the environment, so that every process that
knows the data directory knows the address. (XDG_RUNTIME_DIR would be shorter, but it disappears
when its user logs out, and the server stays.)
"""

import hashlib
import os
import re
import secrets
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = ["Home", "claim_directory", "let_through", "make_private_directory", "write_private"]

SOCKET_PATH_BYTES: Final = 107
"""The longest path of a Unix socket on Linux, without its closing NUL."""

LONGEST_SOCKET_NAME: Final = ".s.PGSQL.65535"
SHORT_PLACE: Final = Path("/tmp")  # noqa: S108 - TMPDIR may differ between shells; the owner is checked
PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_./-]+")
PRIVATE: Final = 0o700
LOG_BYTES: Final = 1 << 20
"""A longer log is put aside at the next start."""


@dataclass(frozen=True, slots=True)
class Home:
    """The files of one service (`postgres` or `redis`) in a data directory."""

    root: Path
    """Absolute, without symbolic links."""

    service: str

    @property
    def data(self) -> Path:
        """The server's own directory."""
        return self.root / self.service

    def fresh_staging(self) -> Path:
        """Return a place to make `data` in, which was never used before.

        What made the last one may still be on its way out, and tidies its own directory up.
        """
        return self.root / f"{self.service}.new-{secrets.token_hex(4)}"

    def remove_stagings(self) -> None:
        """Remove what was being made when somebody pulled the plug, as far as it can be."""
        for abandoned in self.root.glob(f"{self.service}.new-*"):
            shutil.rmtree(abandoned, ignore_errors=True)

    def put_data_aside(self, mark: str) -> Path:
        """Rename `data`, with `mark` and a random ending in its new name; return that."""
        return self.data.rename(self.root / f"{self.service}.{mark}-{secrets.token_hex(4)}")

    @property
    def lock(self) -> Path:
        """The file that a supervisor locks."""
        return self.root / f"{self.service}.lock"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.root / f"{self.service}.log"

    @property
    def door(self) -> Path:
        """What other machines need to reach the server."""
        return self.root / f"{self.service}.door"

    @property
    def sockets(self) -> Path:
        """The directory of the socket."""
        inside = self.root / f"{self.service}.run"
        longest = str(inside / LONGEST_SOCKET_NAME)
        if len(longest) <= SOCKET_PATH_BYTES and PLAIN_PATH.fullmatch(longest):
            return inside
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return SHORT_PLACE / f"hive-{digest}"

    def remove_outer_sockets(self) -> None:
        """Remove the socket's directory if it is outside of the root, and empty."""
        if self.sockets.parent != self.root:
            with suppress(OSError):
                self.sockets.rmdir()

    def put_long_log_aside(self) -> None:
        """Rename a log that has grown too long; the one before it is dropped."""
        try:
            if self.log.stat().st_size > LOG_BYTES:
                self.log.rename(self.log.with_name(f"{self.log.name}.1"))
        except FileNotFoundError:
            return


def claim_directory(path: Path) -> None:
    """Make `path` a directory of ours, or see that it is one.

    A directory that is there keeps its permissions; one that is made is private.

    Raises:
        ConfigurationError: it is not a directory, not ours, or everybody may write to it.
    """
    try:
        with suppress(FileExistsError):
            path.mkdir(mode=PRIVATE, parents=True)
        status = path.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"the directory {path} cannot be used: {error.strerror}"
        ) from error
    _see_that_it_is_a_directory_of(path, status, {os.geteuid()})
    if status.st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            f"everybody may write to {path}, so nothing private can be kept in it: "
            f"choose another data directory, or run `chmod o-w {path}`"
        )


def let_through(path: Path) -> None:
    """Let other accounts reach what is theirs below `path`, without seeing what is there."""
    path.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IXOTH)


def make_private_directory(path: Path, owner: int) -> None:
    """Make `path` a directory that only the user id `owner` may enter.

    Raises:
        ConfigurationError: there is something of that name that belongs to another.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=PRIVATE)
    _see_that_it_is_a_directory_of(path, path.lstat(), {owner, os.geteuid()})
    os.chown(path, owner, -1, follow_symlinks=False)
    path.chmod(PRIVATE)


def _see_that_it_is_a_directory_of(path: Path, status: os.stat_result, owners: set[int]) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{path} is not a directory")
    if status.st_uid not in owners:
        raise ConfigurationError(
            f"{path} belongs to user id {status.st_uid}, and this process runs as user id "
            f"{os.geteuid()}: run as its owner, or choose another data directory"
        )


def write_private(path: Path, text: str, owner: int) -> None:
    """Write `text` to the file `path` of the user id `owner`, which nobody else may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    os.chown(path, owner, -1)
