"""A Postgres that follows another, and takes over from it: what a failover needs.

It is made while the primary works, by a base backup, and is synchronous from then on: a commit that
the primary acknowledges is on both. So the primary can be lost with its disk, and no promise is.
"""

import asyncio
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from hive_contracts.errors import ServiceUnavailableError
from hive_services import EmbeddedPostgres
from hive_services.binaries import find_postgres
from hive_services.doors import Door
from hive_services.identities import choose_identity
from hive_services.processes import signal_tree, spawn
from hive_services.settings import ROLE
from hive_store.connecting import Connection, say_farewell, translated

__all__ = ["Standby", "connected_to", "lose"]

DATA: Final = "postgres"
LOOK_SECONDS: Final = 0.05
CATCH_UP_SECONDS: Final = 30.0
LET_IN: Final = f"local replication {ROLE} peer map={ROLE}\n"
FOLLOWS: Final = """
select coalesce(bool_or(sync_state = 'sync' and flush_lsn >= $1::text::pg_lsn), false)
from pg_stat_replication
"""


class Standby(EmbeddedPostgres):
    """Get one from `following`; it is a server like any other once it is promoted."""

    def __init__(self, folder: Path, *, door: Door) -> None:
        super().__init__(folder, door=door)
        self.folder = folder

    @classmethod
    @asynccontextmanager
    async def following(
        cls, primary: EmbeddedPostgres, *, home: Path, folder: Path, door: Door
    ) -> "AsyncGenerator[Standby]":
        """Give a standby that has all that its primary acknowledges, and is removed on an error.

        Args:
            primary: whom it follows.
            home: where the primary keeps its data.
            folder: where it is to keep its own; there is nothing.
            door: where it is to listen, with the primary's password.

        Raises:
            ServiceUnavailableError: it could not be made, or did not catch up.
            StoreUnavailableError: the primary went away.
        """
        async with AsyncExitStack() as undo:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            async with connected_to(primary) as connection:
                rules = home / DATA / "pg_hba.conf"
                rules.write_text(rules.read_text() + LET_IN)
                await connection.execute("select pg_reload_conf()")
                await _copy(primary, folder)
                standby = cls(folder, door=door)
                undo.push_async_callback(standby.stop)
                await standby.start()
                undo.push_async_callback(_follow_no_more, primary)
                await connection.execute("alter system set synchronous_standby_names = '*'")
                await connection.execute("select pg_reload_conf()")
                await _catch_up(connection)
            yield standby
            undo.pop_all()

    async def promote(self) -> None:
        """Make it the primary.

        Raises:
            StoreUnavailableError: it cannot be.
        """
        async with connected_to(self) as connection:
            await connection.execute("select pg_promote()")

    async def _unlock(self, door: Door) -> None:
        """Nothing: it has its primary's password, and may write nothing."""


@asynccontextmanager
async def connected_to(server: EmbeddedPostgres) -> AsyncGenerator[Connection]:
    """Connect to a server by its socket.

    Raises:
        StoreUnavailableError: it is away, also in the midst of what the caller does.
    """
    with translated():
        connection: Connection = await asyncpg.connect(server.url)
        try:
            yield connection
        finally:
            await say_farewell(connection)


async def lose(server: EmbeddedPostgres, home: Path) -> None:
    """End a server as a machine's death does, and its data with it."""
    pid = server.pid
    if pid is not None:
        signal_tree(pid, signal.SIGKILL)
        await server.wait()
    await server.stop()
    await asyncio.to_thread(shutil.rmtree, home / DATA)


async def _copy(primary: EmbeddedPostgres, folder: Path) -> None:
    program = find_postgres().directory / "pg_basebackup"
    address = primary.url.partition("?")[2].replace("&", " ")
    child = spawn(
        [
            *(program, "--pgdata", folder / DATA, "--dbname", f"{address} user={ROLE}"),
            *("--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"),
        ],
        prefix=choose_identity().prefix,
        death_signal=signal.SIGKILL,
        log=folder / "copy.log",
    )
    try:
        code = await child.wait()
    finally:
        await child.stop(signal.SIGKILL, grace_seconds=1)
    if code != 0:
        raise ServiceUnavailableError(f"no copy: {(folder / 'copy.log').read_text()}")


async def _catch_up(connection: Connection) -> None:
    try:
        async with asyncio.timeout(CATCH_UP_SECONDS):
            sync_from = None
            while True:
                if sync_from is None and await connection.fetchval(FOLLOWS, "0/0"):
                    sync_from = await connection.fetchval("select pg_current_wal_flush_lsn()::text")
                elif sync_from is not None and await connection.fetchval(FOLLOWS, sync_from):
                    return
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise ServiceUnavailableError("the standby did not catch up") from None


async def _follow_no_more(primary: EmbeddedPostgres) -> None:
    async with connected_to(primary) as connection:
        await connection.execute("alter system reset synchronous_standby_names")
        await connection.execute("select pg_reload_conf()")
