"""A database for one command: the one that is there, else this machine's own, run for as long.

The settings name one, or `hive up` runs one; else the Postgres of the data directory is started for
the command and stopped after it. So a backup needs no running Hive, and can be made of a directory
that another major version of Postgres has made, which `hive up` refuses.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from hive import up_state
from hive.printing import say
from hive.settings import Settings
from hive_contracts.errors import UsageError
from hive_services.postgres import EmbeddedPostgres

__all__ = ["database_to_fill", "database_to_save"]


@asynccontextmanager
async def database_to_save(settings: Settings) -> AsyncGenerator[str]:
    """Give the URL of the database.

    Raises:
        UsageError: none is named, none runs here, and there is no data to start one on.
        ConfigurationError: the data cannot be used by any Postgres of this machine.
        ServiceUnavailableError: the server did not come up.
    """
    if (url := _running(settings)) is not None:
        yield url
        return
    data_dir = settings.services.data_dir
    if not (data_dir / "postgres").exists():
        raise UsageError(
            f"there is nothing to save: no database is named (HIVE_DATABASE_URL), Hive is not"
            f" running here, and {data_dir} holds no data"
        )
    async with _started(EmbeddedPostgres(data_dir, any_version=True)) as url:
        yield url


@asynccontextmanager
async def database_to_fill(settings: Settings, *, replaces: bool) -> AsyncGenerator[str]:
    """Give the URL of the database; one of this machine's own is made if there is none.

    Args:
        settings: where it is.
        replaces: put a data directory that another major version made out of its way.

    Raises:
        ConfigurationError: the data directory cannot be used.
        ServiceUnavailableError: the server did not come up.
    """
    if (url := _running(settings)) is not None:
        yield url
        return
    postgres = EmbeddedPostgres(settings.services.data_dir)
    if replaces and (aside := await postgres.put_strange_data_aside()) is not None:
        say(f"hive: the data of another Postgres is now in {aside}; delete it when you like")
    async with _started(postgres) as url:
        yield url


def _running(settings: Settings) -> str | None:
    if settings.database.url is not None:
        return settings.database.url
    state = up_state.read(settings.services.data_dir)
    return None if state is None else state.database_url


@asynccontextmanager
async def _started(postgres: EmbeddedPostgres) -> AsyncGenerator[str]:
    await postgres.start()
    try:
        yield postgres.url
    finally:
        await postgres.stop()
