"""Connections to Postgres, set up for Hive's statements, with errors that callers can name."""

import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import asyncpg

from hive_contracts.addresses import without_password
from hive_contracts.errors import (
    ConfigurationError,
    StoreUnavailableError,
    UnstorableValueError,
)
from hive_store.pooling import LENT_SESSIONS, is_direct, lends_sessions

__all__ = [
    "HOT_SETTINGS",
    "Connection",
    "connect",
    "naming_misfits",
    "say_farewell",
    "server_version",
    "translated",
]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLDEST_MAJOR: Final = 15
CONNECT_SECONDS: Final = 10.0
FAREWELL_SECONDS: Final = 1.0
COMMAND_SECONDS: Final = 60.0

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
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
"""For connections that claim and finish: a plan made while the table was empty, or on statistics
from before a burst, must not read the table (a cached plan claimed in 473 ms instead of 1.3). With
all else switched off, and statements that join nothing but rows with their index, one plan is left
for each; to make it anew took 0.5 ms of each claim and finish. `Line` forgets old plans."""


async def connect(url: str, *, settings: Mapping[str, str] | None = None) -> Connection:
    """Open one connection, whose session has these settings and is its own.

    Raises:
        ConfigurationError: the URL is none of a Postgres, or the server refuses the name, the
            password or the database, is older than Postgres 15, or lends its sessions.
        StoreUnavailableError: nothing answers there.
    """
    connection = await _dial(url)
    try:
        _refuse_old_server(connection, url)
        with translated(url):
            await _refuse_lent_sessions(connection, url)
            if settings:
                # Not at the log-in: a pooler knows few settings there, and refuses the others.
                await connection.execute(
                    "select set_config(name, value, false)"
                    " from unnest($1::text[], $2::text[]) as s (name, value)",
                    list(settings),
                    list(settings.values()),
                )
    except BaseException:
        # Nobody else knows of it: refused, lost or cancelled, it would stay open.
        connection.terminate()
        raise
    return connection


def _refuse_old_server(connection: Connection, url: str) -> None:
    if connection.get_server_version().major < OLDEST_MAJOR:
        raise ConfigurationError(
            f"Postgres at {without_password(url)} is version {server_version(connection)};"
            f" Hive needs {OLDEST_MAJOR} or later"
        )


def server_version(connection: Connection) -> str:
    """Return the server's version as it says it, without what its packager has added: `18.4`."""
    settings: Any = connection.get_settings()  # asyncpg types none of them
    return str(settings.server_version).partition(" ")[0]


async def _refuse_lent_sessions(connection: Connection, url: str) -> None:
    try:
        is_lent = not await is_direct(connection) and await lends_sessions(
            connection, lambda: _dial(url)
        )
    except asyncpg.PostgresConnectionError as error:
        # Lent for a single statement (`pool_mode = statement`): a transaction is refused.
        if "pooling mode" not in str(error):
            raise
        is_lent = True
    if is_lent:
        raise ConfigurationError(f"Postgres at {without_password(url)}: {LENT_SESSIONS}")


async def _dial(url: str) -> Connection:
    with translated(url):
        try:
            return await asyncpg.connect(
                url,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                server_settings={"application_name": "hive"},
            )
        except ssl.SSLCertVerificationError:
            # A ValueError for Python, and no mistake in the URL.
            raise
        except ValueError as error:
            # The reason is told where it is asyncpg's: Python's own may quote a part of a password.
            reason = f": {error}" if isinstance(error, asyncpg.ClientConfigurationError) else ""
            raise ConfigurationError(
                f"{without_password(url)!r} is no Postgres URL{reason}; write it like"
                " postgresql://user:password@host:5432/database"
            ) from error


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
    ) as error:
        raise ConfigurationError(f"Postgres at {without_password(url)}: {_text(error)}") from error
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"Postgres at {without_password(url)} shows a certificate that is not trusted:"
            f" {error.verify_message}; sslrootcert=FILE in the URL names the authority to trust"
        ) from error
    except AWAY as error:
        where = f" at {without_password(url)}" if url else ""
        # Errors of connections are asyncpg's own and not the server's, though they are of its kind.
        is_refusal = isinstance(error, asyncpg.PostgresError) and not isinstance(
            error, asyncpg.PostgresConnectionError
        )
        what = "cannot do it now" if is_refusal else "did not answer"
        raise StoreUnavailableError(f"Postgres{where} {what}: {_text(error)}") from error
    except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
        raise UnstorableValueError(f"Postgres cannot hold a value: {error}") from error
    except asyncpg.InternalClientError as error:
        # asyncpg has read the server's farewell but not yet the end of the connection, and says so
        # in words of its own states.
        raise StoreUnavailableError("the connection to Postgres was lost") from error
    except asyncpg.InterfaceError as error:
        if "clos" not in str(error) and "connect" not in str(error):
            raise
        raise StoreUnavailableError(f"the connection to Postgres was lost: {error}") from error


@contextmanager
def naming_misfits() -> Generator[None]:
    """Turn "breaks a rule of the table" into the error that a value cannot be stored.

    For who can say whose value it is; elsewhere a broken rule is a mistake of ours.
    """
    try:
        yield
    except asyncpg.CheckViolationError as error:
        # Its details would hold the whole row.
        raise UnstorableValueError(f"Postgres cannot hold a value: {error.args[0]}") from error


def _text(error: BaseException) -> str:
    """Return what went wrong on one line; what asyncpg has no words for, in ours."""
    text = " ".join(str(error).split()) or "nothing came in time"
    # asyncpg asks for TLS first, and says this of whatever gives no answer of a Postgres.
    is_strange = "rejected SSL upgrade" in text
    return f"{text} (it is no Postgres, or one without TLS)" if is_strange else text
