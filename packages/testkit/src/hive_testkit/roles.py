"""A database with Hive's roles of least privilege, and ways to be somebody in them.

The roles are sent as people send them, with psql. They belong to the whole server, so each database
of a test has a prefix of its own, and they go with it.
"""

import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from hive_services.binaries import find_postgres

__all__ = ["ROLES", "Roles", "granted_roles", "let_in", "send_roles"]

ROLES: Final = ("submitter", "worker", "queen", "operator", "viewer")
SEND_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of one database."""

    database_url: str
    """For the owner."""

    prefix: str

    def name_of(self, role: str) -> str:
        """Return what a role is called on the server."""
        return f"{self.prefix}_{role}"

    def url_of(self, role: str, password: str | None = None) -> str:
        """Return the database's address for the user that `let_in` made of a role."""
        url = urlsplit(self.database_url)
        place = url.netloc.rpartition("@")[2]
        secret = f":{quote(password, safe='')}" if password else ""
        user = f"{self.name_of(role)}_user{secret}"
        return urlunsplit(url._replace(netloc=f"{user}@{place}"))


def send_roles(database_url: str, prefix: str) -> None:
    """Send the roles to a database, as the owner that the URL names."""
    with as_file(files("hive_store").joinpath("roles.sql")) as script:
        psql = [str(find_postgres().directory / "psql"), "-X", "-q", "-v", f"prefix={prefix}"]
        done = subprocess.run(
            [*psql, "-f", str(script), database_url],
            capture_output=True,
            text=True,
            timeout=SEND_SECONDS,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


@asynccontextmanager
async def granted_roles(database_url: str) -> AsyncGenerator[Roles]:
    """Give the roles of a database, and remove them afterwards."""
    roles = Roles(database_url, f"hive_{uuid4().hex[:12]}")
    send_roles(database_url, roles.prefix)
    try:
        yield roles
    finally:
        await _remove(roles)


async def let_in(roles: Roles) -> None:
    """Make a user of each role, which may log in over the server's socket without a password.

    The server must be one of the test's own: its access rules are changed.
    """
    connection = await asyncpg.connect(roles.database_url)
    try:
        for role in ROLES:
            name = roles.name_of(role)
            await connection.execute(f'create role "{name}_user" login in role "{name}"')
        rules = Path(await connection.fetchval("show hba_file"))
        with rules.open("a", encoding="utf-8") as file:  # noqa: ASYNC230 - a line, in a test
            file.write("local all all trust\n")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


async def _remove(roles: Roles) -> None:
    connection = await asyncpg.connect(roles.database_url)
    try:
        for role in ROLES:
            await connection.execute(f'drop owned by "{roles.name_of(role)}"')
            await connection.execute(f'drop role "{roles.name_of(role)}"')
    finally:
        await connection.close()
