"""Clients of Redis with time limits, so that a frozen server is found, and errors to name."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

from arq.connections import ArqRedis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hive_contracts.addresses import redis_tls_options, without_password
from hive_contracts.errors import BusUnavailableError, ConfigurationError

__all__ = ["ANSWER_SECONDS", "SessionPool", "asking", "open_client"]

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 2.0
"""A server that takes longer to answer counts as away."""

REASON_CHARACTERS: Final = 300

AWAY: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    ResponseError,
    InvalidResponse,
    OSError,
    UnicodeError,
)
"""What redis-py raises when Redis is not there, or will not serve us as things stand.

A server that speaks another protocol comes out as an `InvalidResponse`, a host name that cannot be
one as a `UnicodeError` of Python's.
"""


class SessionPool(ConnectionPool):
    """A pool that stays closed once it is closed, and never minds how Redis takes it.

    redis-py's own connects again for whoever asks. What arq still does when its worker has been
    given up would then wait, for ever, for a server that is frozen.
    """

    is_closed = False

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """Connect `connection`, unless the pool is closed."""
        if self.is_closed:
            raise RedisConnectionError("the connections to it are closed")
        await super().ensure_connection(connection)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Break off whatever is under way, and refuse what comes."""
        self.is_closed = True
        with suppress(*AWAY):
            await super().disconnect(inuse_connections)


def open_client(url: str) -> ArqRedis:
    """Return a client of the Redis at `url`; it connects when it is first used.

    Use it within `asking`: it has no time limit of its own, because redis-py's `socket_timeout` is
    made of `asyncio.wait_for`, which in Python 3.11 swallows a cancellation now and then.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    try:
        # A unix socket has no keepalive, and redis-py refuses the option there.
        keepalive = {} if urlsplit(url).scheme == "unix" else {"socket_keepalive": True}
        pool_class: Any = SessionPool  # redis-py leaves its options untyped
        pool = pool_class.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            # Telling Redis who we are costs a round trip at every connection.
            lib_name=None,
            lib_version=None,
            **keepalive,
            **redis_tls_options(url),
        )
    except ValueError as error:
        # The library's own words may quote a part of the password.
        raise ConfigurationError(f"{without_password(url)!r} is no Redis URL") from error
    client = ArqRedis(pool)
    client.auto_close_connection_pool = True
    return client


@asynccontextmanager
async def asking(action: str, *, seconds: float = ANSWER_SECONDS) -> AsyncGenerator[None]:
    """Turn whatever says that Redis does not serve us into `BusUnavailableError`.

    Args:
        action: what Redis is to do, as a verb: "take bundles".
        seconds: how long the body may take.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except AWAY as error:
        # redis-py quotes the whole command, bundle and all, when a pipeline is refused.
        reason = (str(error) or f"nothing came within {seconds} s")[:REASON_CHARACTERS]
        raise BusUnavailableError(f"Redis did not {action}: {reason}") from error
