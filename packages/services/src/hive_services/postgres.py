"""An embedded Postgres: a data directory, a Unix socket, a port and a password if it has a door."""

import signal
from pathlib import Path

from hive_services.binaries import PostgresPrograms, find_postgres, find_postgres_of
from hive_services.clusters import Cluster, major_of
from hive_services.doors import Door
from hive_services.identities import choose_identity
from hive_services.probes import postgres_answers, tell_postgres
from hive_services.scram import scram_verifier
from hive_services.server import EmbeddedServer, Recipe
from hive_services.settings import DATABASE, ROLE, SOCKET_PORT

__all__ = ["EmbeddedPostgres"]


class EmbeddedPostgres(EmbeddedServer):
    """A Postgres in `data_dir`, made at its first start.

    Role and database are called `hive`; the role may do anything. Not `durable` means that commits
    outlive the server's death but not the machine's: for tests. With `any_version` a directory that
    another major version has made is run by that version's programs, if this machine has them.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        door: Door | None = None,
        any_version: bool = False,
    ) -> None:
        # SIGINT is what Postgres calls fast: roll back, disconnect everybody, write, end.
        super().__init__(data_dir, service="postgres", stop_signal=signal.SIGINT, door=door)
        self._durable = durable
        self._any_version = any_version

    @property
    def url(self) -> str:
        """The address, for asyncpg and libpq alike. The port is named to keep PGPORT out of it."""
        return f"postgresql://{ROLE}@/{DATABASE}?host={self._home.sockets}&port={self._port}"

    @property
    def _port(self) -> int:
        return self._door.port if self._door else SOCKET_PORT

    @property
    def _socket(self) -> Path:
        return self._home.sockets / f".s.PGSQL.{self._port}"

    def _url_at(self, door: Door) -> str:
        return f"postgresql://{ROLE}:{door.password}@{door.place}/{DATABASE}"

    def _recipe(self) -> Recipe:
        return Cluster(
            home=self._home,
            programs=self._programs(),
            identity=choose_identity(),
            durable=self._durable,
            door=self._door,
        )

    def _programs(self) -> PostgresPrograms:
        made_by = major_of(self._home.data) if self._any_version else None
        return find_postgres() if made_by is None else find_postgres_of(made_by)

    async def put_strange_data_aside(self) -> Path | None:
        """Rename a data directory that another major version made; return where it is now.

        Raises:
            ConfigurationError: another process supervises it.
            ServiceUnavailableError: a server still works in it.
        """
        made_by = major_of(self._home.data)
        if made_by is None or made_by == str(find_postgres().version[0]):
            return None
        self._lock.acquire()
        try:
            await self._wait_for_leftovers()
            return self._home.put_data_aside(f"made-by-{made_by}")
        finally:
            self._lock.release()

    async def _answers(self) -> bool:
        return await postgres_answers(self._socket, role=ROLE, database=DATABASE)

    async def _unlock(self, door: Door) -> None:
        # What is sent is made from the password and does not tell it, so no log can hold it.
        statement = f"alter role {ROLE} password '{scram_verifier(door.password)}'"
        await tell_postgres(self._socket, statement, role=ROLE, database=DATABASE)
