"""The ground that all candidates share: one durable Postgres, one Redis, and the probe.

Everything is in one temporary directory and on unix sockets; nothing of it outlives the run.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import redis.asyncio

from hive_services import EmbeddedPostgres, EmbeddedRedis
from hive_store import migrate
from hive_store.connecting import Connection
from peers.probe import Probe

__all__ = ["EMPTY", "Ground"]

EMPTY = "bench_hive"
"""The database with Hive's schema and nothing in it, which others are copied from."""


class Ground:
    """Servers that run, and databases on them."""

    def __init__(
        self, postgres: EmbeddedPostgres, cache: EmbeddedRedis, probe: Path, folder: Path
    ) -> None:
        self._postgres = postgres
        self._redis = cache
        self.folder = folder
        self.probe_path = probe
        self.probe = Probe.create(probe)

    @classmethod
    @asynccontextmanager
    async def open(cls, *, in_memory: bool) -> "AsyncGenerator[Ground]":
        """Start the servers; stop them, and delete what they kept, at the end."""
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with (
            TemporaryDirectory(prefix="hive-bench-", dir=memory if in_memory else None) as folder,
            TemporaryDirectory(prefix="hive-bench-", dir=memory) as shared,
        ):
            postgres, cache = EmbeddedPostgres(Path(folder)), EmbeddedRedis(Path(folder))
            await postgres.start()
            try:
                await cache.start()
                ground = cls(postgres, cache, Path(shared) / "probe", Path(folder))
                await ground.fresh_database(EMPTY)
                await migrate(ground.url_of(EMPTY))
                yield ground
            finally:
                await cache.stop()
                await postgres.stop()

    @property
    def redis_url(self) -> str:
        """The address of Redis."""
        return self._redis.url

    def url_of(self, database: str) -> str:
        """Return the address of a database."""
        return self._postgres.url.replace("@/hive?", f"@/{database}?")

    def pids(self) -> dict[str, list[int]]:
        """Return the servers' processes by role."""
        found = {"redis": self._redis.pid, "postgres": self._postgres.pid}
        return {role: [pid] for role, pid in found.items() if pid is not None}

    async def fresh_database(self, name: str, *, like: str = "template0") -> str:
        """Make a database anew, as a copy of another; return its address."""
        async with self.connected("hive") as connection:
            await connection.execute(f"drop database if exists {name} with (force)")
            # Copied as files, and so written to the disk before anything is measured.
            await connection.execute(f"create database {name} template {like} strategy file_copy")
        return self.url_of(name)

    async def drop_database(self, name: str) -> None:
        """Delete a database, whoever is connected to it."""
        async with self.connected("hive") as connection:
            await connection.execute(f"drop database if exists {name} with (force)")

    @asynccontextmanager
    async def connected(self, database: str) -> AsyncGenerator[Connection]:
        """Connect to a database for a while."""
        connection: Connection = await asyncpg.connect(self.url_of(database))
        try:
            yield connection
        finally:
            await connection.close()

    async def ask_redis(self, script: str) -> int:
        """Return the number that a Lua script comes to."""
        # redis-py leaves its types open.
        client: Any = redis.asyncio.Redis(unix_socket_path=urlsplit(self.redis_url).path)
        try:
            return int(await client.eval(script, 0))
        finally:
            await client.aclose()

    @asynccontextmanager
    async def without_redis(self) -> AsyncGenerator[None]:
        """Have Redis be away for a while."""
        await self._redis.stop()
        try:
            yield
        finally:
            await self._redis.start()

    async def forget(self) -> None:
        """Empty Redis and the probe."""
        await self.ask_redis("redis.call('flushall') return 0")
        self.probe.clear()
