"""The embedded Redis: addresses, settings, and that it holds nothing but hints."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import redis.asyncio
from arq.connections import RedisSettings

from hive_services import EmbeddedRedis, embedded_services
from hive_services.processes import signal_tree

# redis-py's own annotations are partly missing.
connect = cast("Any", redis.asyncio).from_url

RedisIn = Callable[[Path], EmbeddedRedis]


async def test_redis_py_and_arq_understand_the_address(redis: EmbeddedRedis) -> None:
    settings = RedisSettings.from_dsn(redis.url)
    assert settings.unix_socket_path == redis.url.removeprefix("unix://").removesuffix("?db=0")
    assert settings.database == 0
    async with connect(redis.url) as client:
        assert await client.ping()


async def test_it_keeps_nothing_on_disk_refuses_when_full_and_cuts_slow_subscribers_off(
    redis: EmbeddedRedis,
) -> None:
    async with connect(redis.url, decode_responses=True) as client:
        settings = await client.config_get("*")
    assert settings["port"] == "0"
    assert settings["save"] == ""
    assert settings["appendonly"] == "no"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["maxmemory"] == str(1 << 30)
    assert "pubsub 33554432 8388608 60" in settings["client-output-buffer-limit"]


async def test_a_killed_server_starts_again_and_is_empty(redis: EmbeddedRedis) -> None:
    async with connect(redis.url) as client:
        await client.set("hint", "1")
    assert redis.pid is not None
    signal_tree(redis.pid, signal.SIGKILL)
    assert await redis.wait() == -signal.SIGKILL
    await redis.start()
    async with connect(redis.url) as client:
        assert await client.dbsize() == 0


async def test_starting_and_stopping_twice_is_the_same_as_once(redis: EmbeddedRedis) -> None:
    pid = redis.pid
    await redis.start()
    assert redis.pid == pid
    await redis.stop()
    await redis.stop()
    assert redis.pid is None
    assert await redis.wait() == 0


async def test_a_directory_with_blanks_and_quotes_will_do(
    empty_dir: Path, redis_in: RedisIn
) -> None:
    server = redis_in(empty_dir / 'my "own", very own \\ directory')
    await server.start()
    async with connect(server.url) as client:
        assert await client.ping()


async def test_both_services_share_a_directory(data_dir: Path) -> None:
    async with embedded_services(data_dir, durable=False) as urls:
        assert urls.postgres_url.startswith("postgresql://hive@/hive?host=")
        async with connect(urls.redis_url) as client:
            assert await client.ping()
    assert not list(data_dir.glob("*.run/.s*"))
    assert not list(data_dir.glob("*.run/*.sock"))
