"""One connection to Postgres that comes back by itself.

A line carries one statement at a time; who needs two at once opens two lines. It is not a pool: a
pool sends a reset after every use, one more round trip on a path that has few. After a failure the
connection is dropped and the next call opens another. Nothing is retried here: whether a statement
may be sent twice is for its caller to know.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import asyncpg

from hive_contracts.clocks import BootClock
from hive_contracts.errors import StoreUnavailableError
from hive_store.connecting import Connection, connect, say_farewell, translated
from hive_store.migrating import LATEST, check_schema
from hive_store.schema import Schema
from hive_store.statements import statement

__all__ = ["Line", "Row", "open_line"]

Row: TypeAlias = "asyncpg.Record"


PLAN_SECONDS: Final = 10.0
"""How long a hot line keeps its plans: to make those that a task waits for takes 1.7 ms."""


class Line:
    """A connection that is opened when it is needed, and again when it was lost.

    A line that has settings is a hot one: it makes a plan once for many sends (`HOT_SETTINGS`), and
    forgets its plans every ten seconds, so that none is much older than what the tables look like.
    """

    def __init__(self, url: str, *, settings: dict[str, str] | None = None) -> None:
        self._url = url
        self._settings = settings
        self._planned_at = 0.0
        self._clock = BootClock()
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def fetch(self, name: str, *arguments: object) -> Sequence[Row]:
        """Send the statement `name`; return its rows.

        Raises:
            StoreUnavailableError: Postgres did not answer; the statement may or may not have taken
                effect.
            SchemaMismatchError: the schema is not the one this Hive was made for.
        """
        async with self.lent() as connection:
            return await connection.fetch(statement(name), *arguments)

    async def fetch_value(self, name: str, *arguments: object) -> Any:
        """Send the statement `name`; return the first column of its first row, or None."""
        rows = await self.fetch(name, *arguments)
        return rows[0][0] if rows else None

    @asynccontextmanager
    async def lent(self) -> AsyncGenerator[Connection]:
        """Lend the connection to who sends several statements in one transaction.

        Raises:
            StoreUnavailableError: Postgres did not answer, here or in the body.
            SchemaMismatchError: the schema is not the one this Hive was made for.
        """
        async with self._turn:
            connection = await self._connected()
            try:
                with translated(self._url):
                    if self._settings and self._clock.seconds() - self._planned_at >= PLAN_SECONDS:
                        await connection.execute("discard plans")
                        self._planned_at = self._clock.seconds()
                    yield connection
            except StoreUnavailableError:
                await self._drop()
                raise
            except asyncio.CancelledError:
                # The reply is still on its way; a connection that is used again would read it.
                await self._drop()
                raise

    async def check_schema(self) -> None:
        """See that the database's schema is still one that this Hive may work with.

        Raises:
            SchemaMismatchError: it is not; somebody has migrated it.
            StoreUnavailableError: Postgres did not answer.
        """
        (await self._read_schema()).refuse(LATEST)

    async def first_look(self) -> str | None:
        """Connect, and return what a program should say of the schema at its start.

        That Postgres is away is no reason not to start: every new connection checks the schema.

        Raises:
            SchemaMismatchError: this Hive may not work with the database's schema.
            ConfigurationError: the server refuses us.
        """
        try:
            return (await self._read_schema()).notice_for(LATEST)
        except StoreUnavailableError:
            return None

    async def _read_schema(self) -> Schema:
        [row] = await self.fetch("read_schema")
        return Schema(row["number"], row["compatible_from"])

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await connect(self._url, settings=self._settings)
            try:
                with translated(self._url):
                    await check_schema(connection)
            except BaseException:
                # Nobody else knows of it: refused, lost or cancelled, it would stay open.
                connection.terminate()
                raise
            self._connection = connection
        return self._connection

    async def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close the connection, if there is one; its farewell takes a second at most."""
        connection, self._connection = self._connection, None
        await say_farewell(connection)


@asynccontextmanager
async def open_line(url: str, *, settings: dict[str, str] | None = None) -> AsyncGenerator[Line]:
    """Give a line, and close it afterwards. It connects when it is first used."""
    line = Line(url, settings=settings)
    try:
        yield line
    finally:
        await line.close()
