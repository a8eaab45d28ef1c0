"""Clients of Redis with time limits, so that a frozen server is found, and errors to name."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from hive_bus.redis_py import (
    InvalidResponse,
    Redis,
    RedisConnectionError,
    RedisTimeoutError,
    ResponseError,
)
from hive_contracts.addresses import redis_tls_options, without_password
from hive_contracts.errors import BusUnavailableError, ConfigurationError

__all__ = ["asking", "close", "open_client", "translated"]

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 2.0
"""A server that takes longer to answer counts as away."""

AWAY: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    ResponseError,
    InvalidResponse,
    OSError,
    UnicodeError,
)
"""What redis-py raises when Redis is not there, or will not serve us as things stand.

Refusals (a wrong password, a read-only replica, memory that is full) are among them: the bus is a
hint, and no refusal of a hint may end a worker that has tasks to finish. So is a server that speaks
another protocol, and a host name that cannot be one (a `UnicodeError` of Python's).
"""

TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
REASON_CHARACTERS: Final = 300


def open_client(url: str) -> Redis:
    """Return a client of the Redis at `url`; it connects when it is first used.

    Use it within `asking`: it has no time limit of its own, because redis-py's `socket_timeout` is
    made of `asyncio.wait_for`, which in Python 3.11 swallows a cancellation now and then.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    try:
        # A unix socket has no keepalive, and redis-py refuses the option there.
        keepalive = {} if urlsplit(url).scheme == "unix" else {"socket_keepalive": True}
        client_class: Any = Redis  # redis-py leaves its options untyped
        client = client_class.from_url(
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
        raise ConfigurationError(
            f"{without_password(url)!r} is no Redis URL: write redis://HOST:PORT/0 or unix:///PATH,"
            " and in a password %3A, %2F, %3F, %23 and %40 for :, /, ?, # and @"
        ) from error
    _refuse_unknown_options(client.connection_pool, url)
    _refuse_missing_files(url)
    return client


def _refuse_missing_files(url: str) -> None:
    # redis-py would say of it, at each connection anew, that some file is not there.
    options = parse_qs(urlsplit(url).query)
    for name in TLS_FILES:
        for path in options.get(name, []):
            if not Path(path).is_file():
                raise ConfigurationError(
                    f"there is no file {path}, which {without_password(url)!r} names as {name}"
                )


def _refuse_unknown_options(pool: Any, url: str) -> None:
    # redis-py finds them at the first use, when they would look like a mistake in Hive.
    try:
        pool.connection_class(**pool.connection_kwargs)
    except TypeError as error:
        option = str(error).rpartition(" ")[2]
        raise ConfigurationError(
            f"{without_password(url)!r} has an option that redis-py does not know: {option}"
        ) from error


async def close(client: Redis) -> None:
    """Close every connection of `client`, whether or not Redis takes notice."""
    with suppress(*AWAY):
        await client.aclose()


@contextmanager
def translated(url: str) -> Generator[None]:
    """Turn whatever says that Redis does not serve us into `BusUnavailableError`."""
    try:
        yield
    except AWAY as error:
        # redis-py quotes the whole command, frame and all, when a pipeline is refused.
        reason = (str(error) or "nothing came in time")[:REASON_CHARACTERS]
        raise BusUnavailableError(
            f"Redis at {without_password(url)} did not answer: {reason}"
        ) from error


@asynccontextmanager
async def asking(url: str) -> AsyncGenerator[None]:
    """Allow Redis `ANSWER_SECONDS` for what the body asks of it.

    Raises:
        BusUnavailableError: it took longer, or does not serve us.
    """
    with translated(url):
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
