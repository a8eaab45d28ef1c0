"""A Postgres data directory: made whole or not at all, checked, and given Hive's settings.

Postgres calls such a directory a cluster. It is made beside its place, with the database in it, and
renamed once everything is on disk; so a directory under its final name is complete.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_contracts.errors import ConfigurationError, ServiceUnavailableError
from hive_services.binaries import PostgresPrograms, show_version
from hive_services.doors import Door
from hive_services.homes import Home, let_through, make_private_directory, write_private
from hive_services.identities import Identity
from hive_services.logs import LogTail
from hive_services.processes import spawn
from hive_services.settings import (
    DATABASE,
    ROLE,
    SETTINGS_FILE,
    access_rules,
    client_names,
    postgres_settings,
)

__all__ = ["Cluster", "major_of"]

LOCALE: Final = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
"""The same order of text on every machine, whatever its C library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The data directory of one home."""

    home: Home
    programs: PostgresPrograms
    identity: Identity
    durable: bool
    door: Door | None

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs Postgres' programs as that user."""
        return self.identity.prefix

    @property
    def command(self) -> tuple[str | Path, ...]:
        """The server on this directory."""
        data = self.home.data
        return (self.programs.postgres, "-D", data, "-c", f"config_file={data / SETTINGS_FILE}")

    async def prepare(self, said: LogTail) -> None:
        """Make the data directory, with role and database, unless there is one; write the settings.

        Raises:
            ConfigurationError: there is something else, or it is another version's or another
                user's.
            ServiceUnavailableError: making it failed; the message ends with the programs' words.
        """
        self.home.remove_stagings()
        if self._is_empty():
            await self._make(said)
        self._check_version()
        self._check_owner()
        self._clear_stale_locks()
        self._configure()

    def _configure(self) -> None:
        data, owner = self.home.data, self.identity.owner
        make_private_directory(self.home.sockets, owner)
        settings = postgres_settings(
            sockets=self.home.sockets, durable=self.durable, door=self.door
        )
        write_private(data / SETTINGS_FILE, settings, owner)
        write_private(data / "pg_hba.conf", access_rules(self.door), owner)
        write_private(data / "pg_ident.conf", client_names(self.identity.clients), owner)

    def _is_empty(self) -> bool:
        data = self.home.data
        if not data.exists():
            return True
        if (data / "PG_VERSION").exists():
            return False
        if data.is_dir() and not any(data.iterdir()):
            data.rmdir()
            return True
        raise ConfigurationError(
            f"{data} is there, but holds no Postgres data: move it away, or choose another data "
            "directory"
        )

    def _check_version(self) -> None:
        theirs = major_of(self.home.data)
        ours = self.programs.version
        if theirs != str(ours[0]):
            raise ConfigurationError(
                f"{self.home.data} was made by Postgres {theirs}, and this Hive runs Postgres "
                f"{show_version(ours)}, which cannot read it: save it with `hive backup FILE`, "
                "then run `hive restore --replace FILE`, which puts the directory aside"
            )

    def _check_owner(self) -> None:
        owner = self.home.data.stat().st_uid
        if owner != self.identity.owner:
            raise ConfigurationError(
                f"{self.home.data} belongs to user id {owner}, and Postgres would run as user id "
                f"{self.identity.owner} ({self.identity.description}): run Hive as its owner, or "
                "choose another data directory"
            )

    def _clear_stale_locks(self) -> None:
        # Postgres looks whether the process id in its lock files is alive, and takes a stranger who
        # was given the number later for itself: the rule, not the exception, in a container. The
        # caller has seen that no process works in this directory. A dead process id is left to
        # Postgres, which also looks for shared memory that is still in use.
        for stale in self.home.sockets.glob(".s.PGSQL.*"):
            stale.unlink()
        pid_file = self.home.data / "postmaster.pid"
        if pid_file.exists() and _is_alive(pid_file.read_text().partition("\n")[0]):
            pid_file.unlink()

    async def _make(self, said: LogTail) -> None:
        staging = self.home.fresh_staging()
        if self.identity.owner != os.geteuid():
            let_through(self.home.root)
        make_private_directory(staging, self.identity.owner)
        unsynced = () if self.durable else ("--no-sync",)
        initdb = self.programs.initdb
        access = ("--auth-local=peer", "--auth-host=reject")
        names = (f"--username={ROLE}", "--encoding=UTF8", *LOCALE)
        await self._run((initdb, "-D", staging, *names, *access, *unsynced), said)
        # A server for one user, which reads statements from its input and needs no log-in.
        alone = (self.programs.postgres, "--single", "-D", staging)
        fsync = "on" if self.durable else "off"
        statement = f"create database {DATABASE}\n".encode()
        await self._run((*alone, "-c", f"fsync={fsync}", "template1"), said, statement)
        staging.rename(self.home.data)
        _sync_directory(self.home.root)

    async def _run(
        self, command: Sequence[str | Path], said: LogTail, statements: bytes = b""
    ) -> None:
        child = spawn(
            command,
            prefix=self.prefix,
            death_signal=signal.SIGTERM,
            log=self.home.log,
            stdin=subprocess.PIPE,
        )
        try:
            child.feed(statements)
            code = await child.wait()
        finally:
            await child.stop(signal.SIGKILL, grace_seconds=1)
        # The server for one user reports a statement that failed, and ends with 0 all the same.
        if code != 0 or "ERROR:" in said.text():
            raise ServiceUnavailableError(
                f"{Path(command[0]).name} could not make {self.home.data}; {said.told()}"
            )


def major_of(data: Path) -> str | None:
    """Return the major version of the Postgres that made a data directory; None if none did."""
    try:
        return (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return None


def _is_alive(pid: str) -> bool:
    return pid.strip().isdecimal() and Path("/proc", pid.strip()).exists()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
