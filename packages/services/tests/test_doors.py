"""Embedded servers that listen for other machines: passwords, ports, and nothing beside them."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError

from hive_contracts.errors import ConfigurationError, ServiceUnavailableError
from hive_services import EmbeddedPostgres, EmbeddedRedis
from hive_services.doors import Door, door_of

HERE = "127.0.0.1"

# redis-py's own annotations are partly missing.
connect = cast("Any", redis.asyncio).from_url


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which another program listens."""
    with socket.create_server((HERE, 0)) as listener:
        yield listener.getsockname()[1]


async def ask(url: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("select current_user")
    finally:
        await connection.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0


async def test_postgres_lets_in_whoever_knows_the_password_and_only_to_its_own_database(
    data_dir: Path,
) -> None:
    door = door_of(data_dir, "postgres", HERE)
    server = EmbeddedPostgres(data_dir, durable=False, door=door)
    try:
        await server.start()
        url = str(server.url_for_others)
        assert url == f"postgresql://hive:{door.password}@{HERE}:{door.port}/hive"
        assert await ask(url) == "hive"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(url.replace(door.password, "guessed"))
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="pg_hba"):
            await ask(url.removesuffix("hive") + "postgres")
        assert await ask(server.url) == "hive", "the owner needs no password"
        connection = await asyncpg.connect(server.url)
        kept = await connection.fetchval("select rolpassword from pg_authid where rolname = 'hive'")
        await connection.close()
        assert kept.startswith("SCRAM-SHA-256$")
    finally:
        await server.stop()
    assert door.password not in (data_dir / "postgres.log").read_text()

    again = EmbeddedPostgres(data_dir, durable=False)
    try:
        await again.start()
        assert again.url_for_others is None
        assert not listens(door.port), "a server without a door listens all the same"
        assert await ask(again.url) == "hive"
    finally:
        await again.stop()


async def test_redis_with_a_door_wants_the_password_at_its_socket_too(empty_dir: Path) -> None:
    door = door_of(empty_dir, "redis", HERE)
    server = EmbeddedRedis(empty_dir, door=door)
    try:
        await server.start()
        assert server.url_for_others == f"redis://:{door.password}@{HERE}:{door.port}/0"
        for url in (str(server.url_for_others), server.url):
            async with connect(url) as client:
                assert await client.ping()
            with pytest.raises(RedisConnectionError, match="invalid username-password"):
                async with connect(url.replace(door.password, "guessed")) as client:
                    await client.ping()
        assert door.password.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
    finally:
        await server.stop()

    again = EmbeddedRedis(empty_dir)
    try:
        await again.start()
        assert not listens(door.port), "a server without a door listens all the same"
        async with connect(again.url) as client:
            assert await client.ping()
    finally:
        await again.stop()


def test_a_door_is_the_same_at_every_start_and_for_its_owner_s_eyes_only(empty_dir: Path) -> None:
    first = door_of(empty_dir, "redis", HERE)
    assert door_of(empty_dir, "redis", HERE) == first
    assert first.password.isalnum()
    assert len(first.password) >= 32
    moved = door_of(empty_dir, "redis", "0.0.0.0")
    assert (moved.port, moved.password) == (first.port, first.password)
    assert [path.name for path in empty_dir.iterdir()] == ["redis.door"]
    assert (empty_dir / "redis.door").stat().st_mode & 0o777 == 0o600
    other = door_of(empty_dir, "postgres", HERE)
    assert other.port != first.port
    assert other.password != first.password


def test_a_door_s_file_that_cannot_be_read_is_named_with_the_way_out(empty_dir: Path) -> None:
    (empty_dir / "redis.door").write_text('{"port": 1')
    with pytest.raises(ConfigurationError, match=r"redis\.door cannot be read .*: remove it"):
        door_of(empty_dir, "redis", HERE)


def test_an_address_of_another_machine_is_refused_in_a_sentence(empty_dir: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match=r"192\.0\.2\.7, port \d+: Cannot assign"):
        door_of(empty_dir, "redis", "192.0.2.7")
    assert not list(empty_dir.iterdir())


async def test_a_port_that_another_program_took_is_named_before_the_server_starts(
    empty_dir: Path, taken: int
) -> None:
    (empty_dir / "redis.door").write_text(json.dumps({"port": taken, "password": "x"}))
    server = EmbeddedRedis(empty_dir, door=door_of(empty_dir, "redis", HERE))
    with pytest.raises(ServiceUnavailableError, match=f"port {taken}: Address already in use"):
        await server.start()
    assert server.pid is None


def test_an_address_of_ip_version_6_is_bracketed_in_urls() -> None:
    assert Door(address="fd00::7", port=25_000, password="x").place == "[fd00::7]:25000"
