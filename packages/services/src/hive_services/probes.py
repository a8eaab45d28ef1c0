"""Whether a server answers: a real log-in, in a few bytes and without a client library.

A log-in proves more than `pg_isready` does: that the database and the role are there, and that the
server knows us.
"""

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from hive_contracts.errors import ServiceUnavailableError

__all__ = ["postgres_answers", "redis_answers"]

ANSWER_SECONDS: Final = 5.0
PROTOCOL_VERSION: Final = 3 << 16


async def postgres_answers(socket: Path, *, role: str, database: str) -> bool:
    """Return whether one can log in; False while the server starts or recovers.

    Raises:
        ServiceUnavailableError: it answers, and refuses; the message is the server's.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS), _connected(socket) as (reader, writer):
            writer.write(_startup_message(role, database))
            return await _is_let_in(reader)
    except (OSError, asyncio.IncompleteReadError):
        return False


async def tell_postgres(socket: Path, statement: str, *, role: str, database: str) -> None:
    """Log in and have the server carry out one statement.

    Raises:
        ServiceUnavailableError: it refuses, or does not answer.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS), _connected(socket) as (reader, writer):
            writer.write(_startup_message(role, database))
            await _is_let_in(reader)
            body = f"{statement}\0".encode()
            writer.write(struct.pack("!ci", b"Q", len(body) + 4) + body)
            await _is_let_in(reader)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise ServiceUnavailableError(f"Postgres at {socket} went away") from error


async def redis_answers(socket: Path, *, password: str | None) -> bool:
    """Return whether the server lets us in and answers a PING; False while it starts or loads."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS), _connected(socket) as (reader, writer):
            if password is not None:
                writer.write(f"AUTH {password}\r\n".encode())
                if await reader.readline() != b"+OK\r\n":
                    return False
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False


@asynccontextmanager
async def _connected(
    socket: Path,
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _startup_message(role: str, database: str) -> bytes:
    body = f"user\0{role}\0database\0{database}\0\0".encode()
    return struct.pack("!ii", len(body) + 8, PROTOCOL_VERSION) + body


async def _is_let_in(reader: asyncio.StreamReader) -> bool:
    while True:
        kind, length = struct.unpack("!ci", await reader.readexactly(5))
        body = await reader.readexactly(length - 4)
        match kind:
            case b"Z":  # ready for a query
                return True
            case b"E":
                return _answers_in_spite_of(body)
            case _:
                continue


def _answers_in_spite_of(refusal: bytes) -> bool:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in refusal.split(b"\0") if part}
    match fields.get(b"C"):
        case "57P03":  # cannot connect now: it starts, recovers or shuts down
            return False
        case "53300":  # too many connections: busy, but there
            return True
        case _:
            raise ServiceUnavailableError(f"Postgres refuses us: {fields.get(b'M', 'no reason')}")
