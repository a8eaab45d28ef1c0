"""Poolers between us and Postgres: what works through one, and how one that cannot work is told.

Hive needs a session of its own for as long as a connection lasts: LISTEN, prepared statements and
the settings of hot connections belong to a session. A pooler that lends sessions for one
transaction at a time (PgBouncer's `pool_mode = transaction`) breaks all three, some of them
silently, so it is refused when a connection is opened.

A pooler is noticed by its answer to the log-in: the process id that it gives out, for cancelling,
is not that of the server's process. One that lends sessions gives itself away then: it lends the
session that one connection has just used to another. (A pooler that pools sessions never does.)
The second holder is for poolers that lend in turn instead of the last returned first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

__all__ = ["LENT_SESSIONS", "is_direct", "lends_sessions"]

HOLDERS: Final = 2
PROBE_SECONDS: Final = 1.0
"""A pooler of sessions whose pool is full lets the probe wait; one that lends sessions does not."""

LENT_SESSIONS: Final = (
    "there is a pooler in between that lends a session for one transaction at a time, and Hive"
    " needs sessions of its own (for LISTEN, prepared statements and settings): set"
    " `pool_mode = session` for this database in PgBouncer, or name the server itself in the URL"
)


async def is_direct(connection: "Connection") -> bool:
    """Return whether the connection leads to a process of the server without a pooler.

    Raises:
        asyncpg.PostgresError: as any statement may.
    """
    return connection.get_server_pid() == await _process_of(connection)


async def lends_sessions(
    connection: "Connection", open_another: Callable[[], Awaitable["Connection"]]
) -> bool:
    """Return whether the pooler behind `connection` lends sessions to others between transactions.

    Args:
        connection: a connection through a pooler, with no transaction open.
        open_another: opens one more through the same pooler.
    """
    async with AsyncExitStack() as holders:
        mine = await _process_of(connection)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                for _ in range(HOLDERS):
                    other = await open_another()
                    holders.callback(other.terminate)
                    await other.execute("begin")
                    if await _process_within(other) == mine:
                        return True
        except TimeoutError:
            return False
        return await _process_of(connection) != mine


async def _process_of(connection: "Connection") -> int:
    async with connection.transaction():
        return await _process_within(connection)


async def _process_within(connection: "Connection") -> int:
    # Without a name, and inside of a transaction: the session may have the statements of others.
    statement = await connection.prepare("select pg_backend_pid()", name="")
    return await statement.fetchval()
