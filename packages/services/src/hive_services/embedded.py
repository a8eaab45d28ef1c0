"""Both servers at once."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hive_services.postgres import EmbeddedPostgres
from hive_services.redis import EmbeddedRedis

__all__ = ["ServiceUrls", "embedded_services"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUrls:
    """Where the servers are."""

    postgres_url: str
    redis_url: str


@asynccontextmanager
async def embedded_services(data_dir: Path, *, durable: bool = True) -> AsyncGenerator[ServiceUrls]:
    """Run a Postgres and a Redis in `data_dir` until the context closes.

    Nobody starts them again if they end; a supervisor holds the two objects itself and awaits their
    `wait`.

    Raises:
        ConfigurationError: as `EmbeddedServer.start` does.
        ServiceUnavailableError: likewise.
    """
    postgres = EmbeddedPostgres(data_dir, durable=durable)
    redis = EmbeddedRedis(data_dir)
    async with AsyncExitStack() as servers:
        for server in (postgres, redis):
            await server.start()
            servers.push_async_callback(server.stop)
        yield ServiceUrls(postgres_url=postgres.url, redis_url=redis.url)
