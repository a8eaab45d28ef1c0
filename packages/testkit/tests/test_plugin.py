"""The fixtures: a database and a Redis for every test, and servers that can be broken."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from asyncpg import Connection

from hive_testkit.plugin import OwnServer


def say(redis_url: str, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(urlsplit(redis_url).path)
        connection.sendall(command + b"\r\n")
        return connection.recv(100)


def test_tests_started_in_the_background_of_a_shell_hear_ctrl_c(tmp_path: Path) -> None:
    test = tmp_path / "test_signal.py"
    test.write_text("import os, signal\ndef test_it():\n    os.kill(os.getpid(), signal.SIGINT)\n")
    tests = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:cov", str(test)]
    line = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *tests]
    ended = subprocess.run(line, check=False, cwd=tmp_path, capture_output=True)
    assert ended.returncode == pytest.ExitCode.INTERRUPTED, ended.stdout


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own_with_the_schema(
    database: "Connection[Any]", turn: int
) -> None:
    assert await database.fetchval("select to_regclass('hive.task') is not null")
    await database.execute("create table left_behind ()")
    assert await database.fetchval("show search_path") == '"$user", public'


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_redis(redis_url: str, turn: int) -> None:
    assert say(redis_url, b"DBSIZE") == b":0\r\n"
    assert say(redis_url, b"SET left behind") == b"+OK\r\n"


async def test_what_was_committed_survives_a_kill(own_postgres: OwnServer) -> None:
    connection = await asyncpg.connect(own_postgres.url)
    await connection.execute("create table kept ()")
    await own_postgres.kill()
    assert own_postgres.pid is None
    connection.terminate()
    await own_postgres.start()
    connection = await asyncpg.connect(own_postgres.url)
    assert await connection.fetchval("select to_regclass('kept') is not null")
    await connection.close()


async def test_a_paused_server_answers_nobody_until_it_is_resumed(
    own_postgres: OwnServer,
) -> None:
    connection = await asyncpg.connect(own_postgres.url)
    own_postgres.pause()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await asyncpg.connect(own_postgres.url)
    own_postgres.resume()
    assert await connection.fetchval("select 1") == 1
    await connection.close()


async def test_a_redis_of_ones_own_can_be_killed_and_started_again(own_redis: OwnServer) -> None:
    assert say(own_redis.url, b"PING") == b"+PONG\r\n"
    await own_redis.kill()
    with pytest.raises(OSError, match="refused"):
        say(own_redis.url, b"PING")
    await own_redis.start()
    own_redis.pause()
    own_redis.resume()
    assert say(own_redis.url, b"PING") == b"+PONG\r\n"


def test_a_server_left_paused_is_stopped_all_the_same(own_redis: OwnServer) -> None:
    own_redis.pause()
    assert own_redis.pid is not None
