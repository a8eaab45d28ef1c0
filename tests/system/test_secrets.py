"""Secrets that are planted everywhere are found nowhere but where they were put."""

import asyncio
import base64
import os
import subprocess
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import psutil
import pytest
import pytest_asyncio

from hive_client import Hive
from hive_contracts.states import TaskState
from hive_services import EmbeddedPostgres
from hive_services.doors import door_of
from hive_store import migrate
from hive_testkit.cluster import Cluster, running_cluster
from hive_testkit.console import Console
from hive_testkit.guarded_redis import password_of, running_guarded_redis
from hive_testkit.plugin import temporary_directory

HERE = "127.0.0.1"
WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Planted:
    """A Hive with passwords in its addresses and a key on its disk."""

    cluster: Cluster
    console: Console
    environment: dict[str, str]
    secrets: tuple[str, ...]

    def refuse(self, where: str, text: str) -> None:
        """See that a text holds no secret."""
        assert [secret for secret in self.secrets if secret in text] == [], f"{where}: {text}"


@pytest_asyncio.fixture
async def planted(tmp_path: Path) -> AsyncGenerator[Planted]:
    async with AsyncExitStack() as stack:
        places = [stack.enter_context(temporary_directory()) for _ in range(2)]
        door = door_of(places[0], "postgres", HERE)
        postgres = EmbeddedPostgres(places[0], durable=False, door=door)
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        redis = await stack.enter_async_context(running_guarded_redis(places[1]))
        await migrate(postgres.url)
        database, bus = str(postgres.url_for_others), redis.url_of("queen")
        key = tmp_path / "k1.key"
        key.touch(mode=0o600)
        secret = base64.b64encode(os.urandom(32)).decode()
        key.write_text(secret)
        environment = {
            "HIVE_DATABASE_URL": database,
            "HIVE_REDIS_URL": bus,
            "HIVE_SEALING_KEY_DIR": str(tmp_path),
            "HIVE_SEALING_ENCRYPT_WITH": "k1",
            "HIVE_LOG_LEVEL": "debug",
        }
        cluster = await stack.enter_async_context(running_cluster(database, bus, tmp_path))
        cluster.start("queen", "queen", env=environment)
        worker = environment | {"HIVE_REDIS_URL": redis.url_of("worker")}
        cluster.start("worker", "worker", env=worker)
        secrets = (door.password, password_of("hive_queen"), password_of("hive_worker"), secret)
        console = Console(tmp_path / "console", environment)
        yield Planted(cluster, console, environment, secrets)


async def test_no_command_log_row_or_command_line_holds_a_secret(planted: Planted) -> None:
    async with Hive.connect(planted.cluster.database_url) as hive:
        task_id = await hive.submit("command", {"argv": ["env"]})
        failing = await hive.submit("command", {"argv": ["no-such-program"]})
        assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED
        await hive.wait(failing, within=WITHIN)
    lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    planted.refuse("a command line", "\n".join(lines))
    for words in (
        ("config",), ("config", "--json"), ("config", "database.url"), ("doctor",), ("status",),
        ("doctor", "--json"), ("show", "1", "--full"), ("show", "1", "--json"), ("logs", "1"),
        ("events", "--json"), ("workers", "--json"), ("list", "--json"), ("show", "999"),
        ("up", "-d"), ("status",), ("up", "--json"), ("down", "--now"),
    ):  # fmt: skip
        done = await asyncio.to_thread(planted.console, *words)
        planted.refuse(f"hive {' '.join(words)}", done.stdout + done.stderr)
    for name, text in (await tables(planted.cluster.database_url)).items():
        planted.refuse(f"table {name}", text)
    planted.cluster.stop()
    for log in planted.cluster.folder.glob("*.log"):
        planted.refuse(str(log), log.read_text(errors="replace"))


async def tables(url: str) -> dict[str, str]:
    """Return everything in Hive's tables, output in clear."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch("select tablename from pg_tables where schemaname = 'hive'")
        found = {
            row["tablename"]: str(
                await connection.fetch(f'select * from hive."{row["tablename"]}"')
            )
            for row in names
        }
        output = await connection.fetch("select convert_from(data, 'utf-8') from hive.output")
        assert output
        return found | {"output": str(output)}
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HIVE_DATABASE_URL", "postgresql://hive:PLANTED@127.0.0.1:1/hive"),
        ("HIVE_DATABASE_URL", "postgresql://hive:PLANTED@no such host/hive"),
        ("HIVE_DATABASE_URL", "postgresql://hive@127.0.0.1:1/hive?password=PLANTED"),
        ("HIVE_DATABASE_URL", "host=127.0.0.1 password=PLANTED"),
        ("HIVE_DATABASE_URL", "postgresql://hive:PL@NTED:PLANTED@127.0.0.1:1/hive?sslmode=what"),
        ("HIVE_REDIS_URL", "redis://:PLANTED@127.0.0.1:1/0"),
        ("HIVE_REDIS_URL", "redis://:PLANTED@127.0.0.1:port/0"),
        ("HIVE_REDIS_URL", "rediss://u:PLANTED@127.0.0.1:1/0?ssl_ca_certs=/no/such/file"),
        ("HIVE_REDIS_URL", "redis://u:PLANTED@127.0.0.1:1/0?no_such_option=1"),
        ("HIVE_REDIS_URL", "unix://:PLANTED@/no/such/socket"),
    ],
)
@pytest.mark.parametrize("words", [("doctor",), ("worker",)])
def test_an_address_that_does_not_work_is_told_without_its_password(
    tmp_path: Path, database_url: str, words: tuple[str, ...], name: str, value: str
) -> None:
    urls = {"HIVE_DATABASE_URL": database_url, "HIVE_REDIS_URL": "redis://127.0.0.1:1/0"}
    console = Console(tmp_path, urls | {name: value})
    process = console.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(timeout=4)
    except subprocess.TimeoutExpired:
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert b"PLANTED" not in out + err
    assert b"Traceback" not in err, err.decode()
