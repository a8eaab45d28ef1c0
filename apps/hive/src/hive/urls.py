"""Where this Hive's servers are: as the settings name them, else those of `hive up`."""

from dataclasses import dataclass

from hive import up_state
from hive.settings import Settings
from hive_contracts.errors import UsageError

__all__ = ["Urls", "resolve_urls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Where Postgres and Redis are."""

    database: str
    redis: str


def resolve_urls(settings: Settings) -> Urls:
    """Return the servers to use.

    Raises:
        UsageError: they are not named, and nothing runs here.
    """
    database, redis = settings.database.url, settings.redis.url
    if database is None or redis is None:
        state = up_state.read(settings.services.data_dir)
        if state is None:
            raise UsageError(
                "Hive is not running here; start it with `hive up -d`,"
                " or name servers with HIVE_DATABASE_URL and HIVE_REDIS_URL"
            )
        database, redis = database or state.database_url, redis or state.redis_url
    return Urls(database=database, redis=redis)
