"""The proxy hands on what it is sent, unless it is told not to."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
import pytest_asyncio

from hive_testkit.machines import (
    connected_machines,
    reason_for_no_machines,
    within_network_of,
)
from hive_testkit.proxy import Proxy, listener
from hive_testkit.waiting import until


@dataclass(frozen=True, slots=True)
class Line:
    proxy: Proxy
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def echo(prefix: bytes) -> AsyncGenerator[int]:
    """Run a server that answers each line with itself, behind a prefix; give its port."""

    served: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(writer)
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(prefix + line)
        writer.transport.abort()
        served.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await until(lambda: not served)


@pytest_asyncio.fixture
async def line() -> AsyncGenerator[Line]:
    own = listener()
    async with echo(b"one ") as port, Proxy.open("127.0.0.1", port, listeners=[own]) as proxy:
        yield Line(proxy, own.getsockname()[1])


async def is_broken(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection ends without another byte, in whatever way."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def test_what_is_sent_arrives_and_what_is_answered_comes_back(line: Line) -> None:
    reader, writer = await line.connect()
    writer.write(b"hello\n")
    assert await reader.readline() == b"one hello\n"
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


async def test_while_it_holds_nothing_comes_and_nothing_is_lost(line: Line) -> None:
    reader, writer = await line.connect()
    writer.write(b"before\n")
    assert await reader.readline() == b"one before\n"
    line.proxy.hold()
    writer.write(b"held\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(1)
    line.proxy.release()
    assert await reader.readline() == b"one held\n"
    writer.close()


async def test_a_dropped_connection_breaks_and_a_new_one_serves(line: Line) -> None:
    reader, writer = await line.connect()
    writer.write(b"hello\n")
    assert await reader.readline() == b"one hello\n"
    line.proxy.drop()
    assert await is_broken(reader)
    writer.close()
    await until(lambda: line.proxy.connections == 0)
    reader, writer = await line.connect()
    writer.write(b"again\n")
    assert await reader.readline() == b"one again\n"
    writer.close()


async def test_delay_holds_each_piece_up_both_ways(line: Line) -> None:
    line.proxy.latency_seconds = 0.05
    reader, writer = await line.connect()
    loop = asyncio.get_running_loop()
    began = loop.time()
    writer.write(b"hello\n")
    assert await reader.readline() == b"one hello\n"
    assert loop.time() - began >= 0.1
    writer.close()


async def test_a_server_that_moves_is_found_at_its_new_port_and_one_that_is_away_ends_calls(
    line: Line,
) -> None:
    async with echo(b"two ") as port:
        line.proxy.port = port
        reader, writer = await line.connect()
        writer.write(b"hello\n")
        assert await reader.readline() == b"two hello\n"
        writer.close()
    line.proxy.port = 1
    reader, writer = await line.connect()
    assert await is_broken(reader)
    writer.close()


@pytest.mark.skipif(reason_for_no_machines() is not None, reason="no machines can be made here")
def test_a_listener_made_within_another_network_is_reached_from_there_alone() -> None:
    with connected_machines("near", "far") as (near, far):
        own = within_network_of(near.pid, lambda: listener(near.address))
        address = own.getsockname()
        within_network_of(far.pid, lambda: socket.create_connection(address, timeout=5).close())
        accepted, (host, _) = own.accept()
        assert host == far.address
        accepted.close()
        own.close()
