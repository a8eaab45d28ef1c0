"""An embedded Postgres: its own data directory, one Unix socket, no port, no password."""

import signal
from pathlib import Path

from hive_services.binaries import find_postgres
from hive_services.clusters import Cluster
from hive_services.identities import choose_identity
from hive_services.probes import postgres_answers
from hive_services.server import EmbeddedServer, Recipe
from hive_services.settings import DATABASE, PORT, ROLE

__all__ = ["EmbeddedPostgres"]


class EmbeddedPostgres(EmbeddedServer):
    """A Postgres in `data_dir`, made at its first start.

    Role and database are called `hive`; the role may do anything. Not `durable` means that commits
    outlive the server's death but not the machine's: for tests.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        # SIGINT is what Postgres calls fast: roll back, disconnect everybody, write, end.
        super().__init__(data_dir, service="postgres", stop_signal=signal.SIGINT)
        self._durable = durable

    @property
    def url(self) -> str:
        """The address, for asyncpg and libpq alike. The port is named to keep PGPORT out of it."""
        return f"postgresql://{ROLE}@/{DATABASE}?host={self._home.sockets}&port={PORT}"

    def _recipe(self) -> Recipe:
        return Cluster(
            home=self._home,
            programs=find_postgres(),
            identity=choose_identity(),
            durable=self._durable,
        )

    async def _answers(self) -> bool:
        socket = self._home.sockets / f".s.PGSQL.{PORT}"
        return await postgres_answers(socket, role=ROLE, database=DATABASE)
