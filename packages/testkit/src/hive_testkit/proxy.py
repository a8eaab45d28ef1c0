"""A TCP proxy in front of a server, for what networks do: delay, silence, broken connections.

It lives in the loop of whoever opens it. Its own addresses stay, also while the server behind it
moves to another.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

__all__ = ["Proxy", "listener"]

CHUNK_BYTES: Final = 65536


class Proxy:
    """Hands on what it is sent, for as long as it is told to. Get one from `open`."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        """Where the server is; what is connected already stays with the old one."""

        self.latency_seconds = 0.0
        """How long each piece is held up, either way."""

        self._writers: set[asyncio.StreamWriter] = set()
        self._lets_through = asyncio.Event()
        self._lets_through.set()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, host: str, port: int, *, listeners: Sequence[socket.socket]
    ) -> "AsyncGenerator[Proxy]":
        """Give a proxy for the server at `host` and `port`, which need not be there yet.

        Args:
            host: where the server is.
            port: where the server is.
            listeners: sockets to accept connections at, of whatever network; closed afterwards.
        """
        proxy = cls(host, port)
        async with AsyncExitStack() as stack:
            for each in listeners:
                server = await asyncio.start_server(proxy._serve, sock=each)
                stack.push_async_callback(server.wait_closed)
                stack.callback(server.close)
            try:
                yield proxy
            finally:
                proxy.release()
                proxy.drop()
                await proxy._is_idle.wait()

    @property
    def connections(self) -> int:
        """How many connections are open, both sides of each counted."""
        return len(self._writers)

    def drop(self) -> None:
        """Break every connection at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    def hold(self) -> None:
        """Let nothing through any more; connections stay open, and nobody is told."""
        self._lets_through.clear()

    def release(self) -> None:
        """Let through what was held, and what comes."""
        self._lets_through.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._is_idle.clear()
        beyond: asyncio.StreamWriter | None = None
        try:
            await self._lets_through.wait()
            answers, beyond = await asyncio.open_connection(self.host, self.port)
            self._writers.add(beyond)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, beyond))
                group.create_task(self._pass_on(answers, writer))
        except (OSError, ExceptionGroup):
            # The server is away, or one of the two sides has broken off: so does the other.
            pass
        finally:
            for each in (writer, beyond):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()
            if not self._writers:
                self._is_idle.set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._lets_through.wait()
            if self.latency_seconds:
                await asyncio.sleep(self.latency_seconds)
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()


def listener(address: str = "127.0.0.1") -> socket.socket:
    """Return a socket that listens at a free port of an address of this thread's network."""
    found = socket.create_server((address, 0))
    found.setblocking(False)
    return found
