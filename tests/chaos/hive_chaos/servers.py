"""The servers of a chaos run: a Postgres and a Redis that may be struck, each behind a proxy.

Everything of Hive goes through the proxies. The driver itself goes past them, so that what it looks
at is never what the faults make of it.

They live on a disk of their own, in memory, where the machine permits one: then that may fill up.
"""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import redis.asyncio

from hive_bus.connection import asking
from hive_chaos.standby import Standby, connected_to, lose
from hive_contracts.errors import ServiceUnavailableError
from hive_services import EmbeddedPostgres, EmbeddedRedis
from hive_services.doors import Door, door_of
from hive_services.processes import signal_tree
from hive_store import migrate
from hive_store.connecting import Connection
from hive_testkit.proxy import Proxy, listener

__all__ = ["Servers", "small_disk"]

HOME: Final = "127.0.0.1"
DISK_MEBIBYTES: Final = 1280
START_PAUSE_SECONDS: Final = 0.5


class Servers:
    """Both servers and their proxies. Get one from `open`."""

    def __init__(self, folder: Path, *, is_on_small_disk: bool) -> None:
        self.folder = folder
        self.is_on_small_disk = is_on_small_disk
        self.turn = {"postgres": asyncio.Lock(), "redis": asyncio.Lock()}
        """Who strikes a server has its turn, so that two faults do not undo one another."""

        self._home = folder
        # A port may come again, and what a standby that failed has left lies there still.
        self._homes = count(1)
        """Where Postgres keeps its data."""

        self._doors = {name: door_of(folder, name, HOME) for name in self.turn}
        self.postgres = EmbeddedPostgres(folder, door=self._doors["postgres"])
        self.redis = EmbeddedRedis(folder, door=self._doors["redis"])
        self.proxies: dict[str, Proxy] = {}
        self._ports: dict[str, list[int]] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, *, is_on_small_disk: bool, beyond: Sequence[tuple[str, Any]] = ()
    ) -> "AsyncGenerator[Servers]":
        """Run both, with Hive's schema; stop them at the end.

        Args:
            folder: where they keep their data.
            is_on_small_disk: whether its disk may be filled.
            beyond: further networks to be reached from: an address there, and a function that
                opens a listener at it.
        """
        servers = cls(folder, is_on_small_disk=is_on_small_disk)
        async with AsyncExitStack() as stack:
            for name, server in (("postgres", servers.postgres), ("redis", servers.redis)):
                stack.push_async_callback(servers.stop, name)
                await server.start()
                sockets: list[socket.socket] = [listener(), *(make() for _, make in beyond)]
                servers._ports[name] = [each.getsockname()[1] for each in sockets]
                servers.proxies[name] = await stack.enter_async_context(
                    Proxy.open(HOME, servers._doors[name].port, listeners=sockets)
                )
            await migrate(servers.postgres.url)
            if is_on_small_disk:
                async with servers.connected() as connection:
                    await connection.execute("alter system set max_wal_size = '256MB'")
                    await connection.execute("select pg_reload_conf()")
            yield servers

    def urls(self, *, address: str = HOME, network: int = 0) -> dict[str, str]:
        """Return where Hive finds the servers from one of the networks, as its environment."""
        postgres, cache = self._doors["postgres"], self._doors["redis"]
        ports = {name: some[network] for name, some in self._ports.items()}
        return {
            "HIVE_DATABASE_URL": f"postgresql://hive:{postgres.password}@{address}"
            f":{ports['postgres']}/hive",
            "HIVE_REDIS_URL": f"redis://:{cache.password}@{address}:{ports['redis']}/0",
        }

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Connection]:
        """Connect to Postgres, past its proxy.

        Raises:
            StoreUnavailableError: it is away, also in the midst of what the caller does.
        """
        async with connected_to(self.postgres) as connection:
            yield connection

    async def tell_redis(self, *words: str) -> None:
        """Have Redis do something, past its proxy.

        Raises:
            BusUnavailableError: it did not.
        """
        door = self._doors["redis"]
        path = urlsplit(self.redis.url).path
        # redis-py leaves its types open.
        client: Any = redis.asyncio.Redis(unix_socket_path=path, password=door.password)
        try:
            async with asking(self.redis.url):
                await client.execute_command(*words)
        finally:
            await client.aclose()

    def server(self, name: str) -> "EmbeddedPostgres | EmbeddedRedis":
        """Return one of the two."""
        return self.postgres if name == "postgres" else self.redis

    def signal(self, name: str, number: signal.Signals, *, tree: bool = True) -> None:
        """Send a signal to a server and, with `tree`, to everything below it."""
        pid = self.server(name).pid
        if pid is None:
            return
        if tree:
            signal_tree(pid, number)
        else:
            os.kill(pid, number)

    async def start_again(self, name: str) -> None:
        """Start a server, and try until it does; a full disk may keep it from that."""
        while True:
            try:
                await self.server(name).start()
            except ServiceUnavailableError:
                await asyncio.sleep(START_PAUSE_SECONDS)
            else:
                return

    async def stop(self, name: str) -> None:
        """Stop a server in order."""
        await self.server(name).stop()

    async def move_postgres(self) -> None:
        """Stop Postgres, and start it at another port, on the same data."""
        await self.postgres.stop()
        door = self._free_door()
        self.postgres = EmbeddedPostgres(self._home, door=door)
        self._go_to(door)
        await self.start_again("postgres")

    async def fail_over(self, *, after_seconds: float) -> None:
        """Lose Postgres with its data; a synchronous standby takes over at another port.

        Raises:
            ServiceUnavailableError: no standby could be made, and all is as it was.
        """
        door = self._free_door()
        home = self.folder / f"postgres-{next(self._homes)}"
        async with Standby.following(
            self.postgres, home=self._home, folder=home, door=door
        ) as standby:
            await asyncio.sleep(after_seconds)
        await lose(self.postgres, self._home)
        await standby.promote()
        self.postgres, self._home = standby, home
        self._go_to(door)

    def _free_door(self) -> Door:
        with socket.create_server((HOME, 0)) as free:
            port: int = free.getsockname()[1]
        return replace(self._doors["postgres"], port=port)

    def _go_to(self, door: Door) -> None:
        self._doors["postgres"] = door
        self.proxies["postgres"].port = door.port


@contextmanager
def small_disk(place: Path) -> Generator[str | None]:
    """Mount a small disk at `place`, gone afterwards; yield why that cannot be, or None."""
    options = f"size={DISK_MEBIBYTES}m,mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        yield f"no small disk can be mounted: {mounted.stderr.strip()}"
        return
    try:
        yield None
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
