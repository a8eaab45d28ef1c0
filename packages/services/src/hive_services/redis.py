"""An embedded Redis (or Valkey): a Unix socket, a port if it has a door, nothing on disk."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from hive_services.binaries import RedisProgram, find_redis
from hive_services.doors import Door
from hive_services.homes import Home, make_private_directory, write_private
from hive_services.logs import LogTail
from hive_services.probes import redis_answers
from hive_services.server import EmbeddedServer, Recipe
from hive_services.settings import REDIS_SOCKET, redis_settings

__all__ = ["EmbeddedRedis"]


class EmbeddedRedis(EmbeddedServer):
    """A Redis whose contents are gone when it ends: Postgres is the truth, this is a hint."""

    def __init__(self, data_dir: Path, *, door: Door | None = None) -> None:
        super().__init__(data_dir, service="redis", stop_signal=signal.SIGTERM, door=door)

    @property
    def url(self) -> str:
        """The address, for redis-py and arq alike."""
        password = f":{self._door.password}@" if self._door else ""
        return f"unix://{password}{self._home.sockets / REDIS_SOCKET}?db=0"

    def _url_at(self, door: Door) -> str:
        return f"redis://:{door.password}@{door.place}/0"

    async def _unlock(self, door: Door) -> None:
        """Do nothing: the password is in the settings."""

    def _recipe(self) -> Recipe:
        return _RedisRecipe(self._home, find_redis(), self._door)

    async def _answers(self) -> bool:
        password = self._door.password if self._door else None
        return await redis_answers(self._home.sockets / REDIS_SOCKET, password=password)


@dataclass(frozen=True, slots=True)
class _RedisRecipe:
    home: Home
    program: RedisProgram
    door: Door | None

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
        settings = redis_settings(sockets=self.home.sockets, data=self.home.data, door=self.door)
        write_private(self._settings_file, settings, owner)
