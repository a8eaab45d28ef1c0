"""Where this Hive's servers are: as the settings name them, else those of `hive up`."""

from dataclasses import dataclass

from hive import up_state
from hive.settings import Settings
from hive_contracts.errors import UsageError

__all__ = ["Urls", "find_urls", "resolve_urls"]

WAY_OUT = "Hive is not running here; start it with `hive up -d`, or name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Where Postgres and Redis are."""

    database: str
    redis: str


def resolve_urls(settings: Settings) -> Urls:
    """Return the servers to use.

    Raises:
        UsageError: they are not both named, and nothing runs here.
    """
    database, redis = _known(settings)
    if database is None or redis is None:
        raise UsageError(f"{WAY_OUT} servers with HIVE_DATABASE_URL and HIVE_REDIS_URL")
    return Urls(database=database, redis=redis)


def find_urls(settings: Settings) -> tuple[str, str | None]:
    """Return Postgres, and Redis if there is one: who looks at tasks or submits them needs none.

    Raises:
        UsageError: no Postgres is named, and nothing runs here.
    """
    database, redis = _known(settings)
    if database is None:
        raise UsageError(f"{WAY_OUT} its Postgres with HIVE_DATABASE_URL")
    return database, redis


def _known(settings: Settings) -> tuple[str | None, str | None]:
    database, redis = settings.database.url, settings.redis.url
    if database is None or redis is None:
        state = up_state.read(settings.services.data_dir)
        if state is not None:
            return database or state.database_url, redis or state.redis_url
    return database, redis
