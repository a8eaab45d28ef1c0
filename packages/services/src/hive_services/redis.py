"""An embedded Redis (or Valkey): one Unix socket, no port, nothing on disk."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from hive_services.binaries import RedisProgram, find_redis
from hive_services.homes import Home, make_private_directory, write_private
from hive_services.logs import LogTail
from hive_services.probes import redis_answers
from hive_services.server import EmbeddedServer, Recipe
from hive_services.settings import REDIS_SOCKET, redis_settings

__all__ = ["EmbeddedRedis"]


class EmbeddedRedis(EmbeddedServer):
    """A Redis whose contents are gone when it ends: Postgres is the truth, this is a hint."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, service="redis", stop_signal=signal.SIGTERM)

    @property
    def url(self) -> str:
        """The address, for redis-py and arq alike."""
        return f"unix://{self._home.sockets / REDIS_SOCKET}?db=0"

    def _recipe(self) -> Recipe:
        return _RedisRecipe(self._home, find_redis())

    async def _answers(self) -> bool:
        return await redis_answers(self._home.sockets / REDIS_SOCKET)


@dataclass(frozen=True, slots=True)
class _RedisRecipe:
    home: Home
    program: RedisProgram

    @property
    def prefix(self) -> tuple[str, ...]:
        return ()

    @property
    def command(self) -> tuple[str | Path, ...]:
        return (self.program.path, self._settings_file)

    @property
    def _settings_file(self) -> Path:
        return self.home.data / "redis.conf"

    async def prepare(self, said: LogTail) -> None:
        owner = os.geteuid()
        make_private_directory(self.home.data, owner)
        make_private_directory(self.home.sockets, owner)
        settings = redis_settings(sockets=self.home.sockets, data=self.home.data)
        write_private(self._settings_file, settings, owner)
