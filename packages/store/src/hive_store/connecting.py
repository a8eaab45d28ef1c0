"""Connections to Postgres, set up for Hive's statements, with errors that callers can name."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from hive_contracts.errors import (
    ConfigurationError,
    StoreUnavailableError,
    UnstorableValueError,
)

__all__ = ["HOT_SETTINGS", "Connection", "connect", "say_farewell", "translated"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_SECONDS: Final = 10.0
FAREWELL_SECONDS: Final = 1.0
COMMAND_SECONDS: Final = 60.0
PASSWORD_IN_QUERY: Final = re.compile(r"((?:^|&)(?:ssl)?pass(?:word|file)=)[^&]*")

AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What asyncpg raises when Postgres is not there or cannot now, rather than when we are wrong."""

HOT_SETTINGS: Final = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
}
"""For connections that claim and finish: a plan made while the table was empty, or on statistics
from before a burst, must not read the table (a cached plan claimed in 473 ms instead of 1.3)."""


async def connect(url: str, *, settings: dict[str, str] | None = None) -> Connection:
    """Open one connection.

    Raises:
        ConfigurationError: the URL cannot be read, or the server refuses the name, the password or
            the database.
        StoreUnavailableError: nothing answers there.
    """
    with translated(url):
        try:
            return await asyncpg.connect(
                url,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                server_settings={"application_name": "hive"} | (settings or {}),
            )
        except ValueError as error:
            where = _without_password(url)
            raise ConfigurationError(f"Postgres at {where}: the URL cannot be read") from error


async def say_farewell(connection: "Connection | None") -> None:
    """Close a connection, if there is one; the server's answer is waited for a second at most."""
    if connection is None or connection.is_closed():
        return
    try:
        with translated():
            await connection.close(timeout=FAREWELL_SECONDS)
    except StoreUnavailableError:
        connection.terminate()


@contextmanager
def translated(url: str = "") -> Generator[None]:
    """Turn "away", "refuses us" and "refuses the value" into errors that callers can name."""
    try:
        yield
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.InsufficientPrivilegeError,
        asyncpg.ClientConfigurationError,
    ) as error:
        raise ConfigurationError(f"Postgres at {_without_password(url)}: {error}") from error
    except AWAY as error:
        where = f" at {_without_password(url)}" if url else ""
        raise StoreUnavailableError(f"Postgres{where} did not answer: {_text(error)}") from error
    except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
        raise UnstorableValueError(f"Postgres cannot hold a value: {error}") from error
    except asyncpg.InternalClientError as error:
        # asyncpg has read the server's farewell but not yet the end of the connection.
        raise StoreUnavailableError(f"the connection to Postgres was lost: {error}") from error
    except asyncpg.InterfaceError as error:
        if "clos" not in str(error) and "connect" not in str(error):
            raise
        raise StoreUnavailableError(f"the connection to Postgres was lost: {error}") from error


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "that URL"
    query = PASSWORD_IN_QUERY.sub(r"\1***", parts.query)
    name, at, place = parts.netloc.rpartition("@")
    user, colon, _ = name.partition(":")
    netloc = f"{user}:***@{place}" if colon else f"{user}{at}{place}"
    return urlunsplit(parts._replace(netloc=netloc, query=query))
