"""Servers that are not there, refuse us, or are something else: one sentence, and no password."""

import asyncio
import json
import os
import socket
import socketserver
import struct
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from hive_services.doors import Door
from hive_services.postgres import EmbeddedPostgres
from hive_store.migrating import LATEST
from hive_testkit.console import Console
from hive_testkit.plugin import OwnServer, temporary_directory

Done: TypeAlias = "subprocess.CompletedProcess[str]"
Typed: TypeAlias = Callable[..., Done]
Reply: TypeAlias = Callable[[bytes], bytes]

SECRET: Final = "s3cret"
COMMAND: Final = ["submit", "command", "--queue", "nobody", "--payload", '{"argv": ["true"]}']
SSL_REQUEST: Final = 80877103


@pytest.fixture
def typed(in_process: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """The command line, far from any Hive; `database` and `redis` name its servers."""
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def run(*words: str, database: str, redis: str) -> Done:
        monkeypatch.setenv("HIVE_DATABASE_URL", database)
        monkeypatch.setenv("HIVE_REDIS_URL", redis)
        done = in_process(*words)
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@contextmanager
def listening(reply: Reply) -> Generator[int]:
    """Listen on a port of this machine, and give each message the reply that it deserves."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):
                while message := self.request.recv(65536):
                    self.request.sendall(reply(message))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


def silence(_message: bytes) -> bytes:
    return b""


def http(_message: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


def old_postgres(message: bytes) -> bytes:
    """Let everybody in, as a Postgres 13 does."""
    if message.startswith(b"X"):
        return b""
    if struct.unpack("!i", message[4:8]) == (SSL_REQUEST,):
        return b"N"
    version = b"server_version\x0013.2\x00"
    status = b"S" + struct.pack("!i", len(version) + 4) + version
    keys = b"K" + struct.pack("!iii", 12, 1, 1)
    return b"R" + struct.pack("!ii", 8, 0) + status + keys + b"Z" + struct.pack("!ic", 5, b"I")


def old_redis(message: bytes) -> bytes:
    """Tell of oneself, as a Redis 5 does."""
    if b"INFO" not in message:
        return b"+OK\r\n"
    words = b"redis_version:5.0.14\r\nrole:master\r\n"
    return b"$%d\r\n%s\r\n" % (len(words), words)


def loading_redis(_message: bytes) -> bytes:
    return b"-LOADING Redis is loading the dataset in memory\r\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mends(done: Done) -> dict[str, dict[str, Any]]:
    """What `hive doctor --json` says must be mended, by name."""
    assert done.returncode == 1
    return {check["name"]: check for check in json.loads(done.stdout) if not check["is_fine"]}


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (f"mysql://hive:{SECRET}@db/hive", "'mysql://hive:***@db/hive' is no Postgres URL"),
        (f"http://hive:{SECRET}@db/hive", "write it like postgresql://user:password@host:5432/"),
        (f"redis://:{SECRET}@db/0", "is no Postgres URL"),
        ("not a URL", "'not a URL' is no Postgres URL"),
        (f"postgresql://hive:{SECRET}@db:port/hive", "is no Postgres URL; write it like"),
        (f"postgresql://hive:{SECRET}@[::1/hive", "is no Postgres URL"),
        (f"postgresql://hive:{SECRET}@../hive", "is no Postgres URL"),
        (f"postgresql://hive:{SECRET}@db/hive?sslmode=perhaps", "sslmode"),
    ],
)
def test_an_address_that_is_no_postgres_url_is_told_with_what_one_looks_like(
    typed: Typed, redis_server: str, url: str, complaint: str
) -> None:
    for words, code in ((COMMAND, 2), (["status"], 2), (["migrate"], 2), (["run", "x"], 125)):
        done = typed(*words, database=url, redis=redis_server)
        assert (done.returncode, done.stdout) == (code, "")
        assert complaint in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (f"mysql://hive:{SECRET}@db/0", "'mysql://hive:***@db/0' is no Redis URL"),
        (f"redis://:{SECRET}@db:port/0", "is no Redis URL"),
        ("not a URL", "is no Redis URL"),
        (f"unix://:{SECRET}@/x?db=0&foo=1", "has an option that redis-py does not know: 'foo'"),
    ],
)
def test_an_address_that_is_no_redis_url_is_refused_before_anything_is_queued(
    typed: Typed, database_url: str, url: str, complaint: str
) -> None:
    for words, code in ((COMMAND, 2), (["run", "x"], 125), (["queen"], 2), (["worker"], 2)):
        done = typed(*words, database=database_url, redis=url)
        assert (done.returncode, done.stdout) == (code, "")
        assert complaint in done.stderr
        assert done.stderr.count("\n") == 1
    status = typed("status", "--json", database=database_url, redis=url)
    assert json.loads(status.stdout)["queues"] == {}


@pytest.mark.parametrize(
    "place", ["127.0.0.1:{port}", "no-such-host.invalid", "/hive?host=/absent"]
)
def test_a_postgres_that_is_not_there_is_named_without_its_password(
    typed: Typed, redis_server: str, place: str
) -> None:
    url = f"postgresql://hive:{SECRET}@{place.format(port=free_port())}"
    for words, code in ((COMMAND, 1), (["status"], 1), (["migrate"], 1), (["run", "x"], 125)):
        done = typed(*words, database=url, redis=redis_server)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("hive: Postgres at postgresql://hive:***@")
        assert " did not answer: " in done.stderr
        assert done.stderr.count("\n") == 1
    assert (
        "HIVE_DATABASE_URL"
        in mends(typed("doctor", "--json", database=url, redis=redis_server))["database"]["remedy"]
    )


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret@127.0.0.1:{port}/0",
        "redis://:s3cret@no-such-host.invalid/0",
        "redis://:s3cret@../0",
        "unix://:s3cret@/absent?db=0",
    ],
)
def test_without_redis_tasks_are_queued_all_the_same(
    typed: Typed, database_url: str, url: str
) -> None:
    redis = url.format(port=free_port())
    done = typed(*COMMAND, "--json", database=database_url, redis=redis)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"id": 1, "is_new": True})
    found = mends(typed("doctor", "--json", database=database_url, redis=redis))["redis"]
    assert "***@" in found["found"]
    assert "HIVE_REDIS_URL" in found["remedy"]


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (silence, "did not answer: nothing came in time"),
        (http, "it is no Postgres, or one"),
    ],
)
def test_what_is_no_postgres_is_told_in_time(
    typed: Typed,
    redis_server: str,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    complaint: str,
) -> None:
    monkeypatch.setattr("hive_store.connecting.CONNECT_SECONDS", 0.3)
    with listening(reply) as port:
        url = f"postgresql://hive:{SECRET}@127.0.0.1:{port}/hive"
        for words, code in ((COMMAND, 1), (["status"], 1), (["run", "x"], 125)):
            done = typed(*words, database=url, redis=redis_server)
            assert (done.returncode, done.stdout) == (code, "")
            assert complaint in done.stderr


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [(silence, "nothing came in time"), (http, "Protocol error"), (loading_redis, "is loading")],
)
def test_what_is_no_redis_or_not_yet_one_costs_a_submit_nothing(
    typed: Typed,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    complaint: str,
) -> None:
    monkeypatch.setattr("hive_bus.connection.ANSWER_SECONDS", 0.3)
    with listening(reply) as port:
        url = f"redis://:{SECRET}@127.0.0.1:{port}/0"
        done = typed(*COMMAND, "--json", database=database_url, redis=url)
        assert (done.returncode, json.loads(done.stdout)) == (0, {"id": 1, "is_new": True})
        doctor = typed("doctor", "--json", database=database_url, redis=url)
    assert complaint in mends(doctor)["redis"]["found"]


def test_servers_that_are_too_old_are_told_with_what_is_needed(
    typed: Typed, redis_server: str, database_url: str
) -> None:
    with listening(old_postgres) as port:
        url = f"postgresql://hive:{SECRET}@127.0.0.1:{port}/hive"
        migrate = typed("migrate", database=url, redis=redis_server)
        doctor = typed("doctor", "--json", database=url, redis=redis_server)
    assert (migrate.returncode, migrate.stdout) == (2, "")
    assert migrate.stderr.endswith("/hive is version 13.2; Hive needs 15 or later\n")
    assert mends(doctor)["database"]["found"] in migrate.stderr
    with listening(old_redis) as port:
        doctor = typed(
            "doctor", "--json", database=database_url, redis=f"redis://127.0.0.1:{port}/0"
        )
    assert mends(doctor)["redis"]["found"] == "it is Redis 5.0.14; Hive needs 6.2 or later"


def test_a_redis_that_takes_no_writes_is_found_by_the_doctor(
    typed: Typed, database_url: str, own_redis: OwnServer
) -> None:
    def complaint() -> str:
        doctor = typed("doctor", "--json", database=database_url, redis=own_redis.url)
        return mends(doctor)["redis"]["found"]

    tell(own_redis, "CONFIG SET maxmemory 1")
    assert "its memory is full" in complaint()
    tell(own_redis, "CONFIG SET maxmemory 0")
    tell(own_redis, f"REPLICAOF 127.0.0.1 {free_port()}")
    assert "it is a read-only replica of 127.0.0.1:" in complaint()


def tell(server: OwnServer, command: str) -> None:
    """Have a Redis do something that it answers with OK."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(urlsplit(server.url).path)
        connection.sendall(f"{command}\r\n".encode())
        assert connection.recv(100).startswith(b"+OK")


@pytest.fixture(scope="module")
def locked_postgres() -> Generator[str]:
    """URL of a Postgres that asks for a password, with it."""
    door = Door(address="127.0.0.1", port=free_port(), password="right")
    with (
        temporary_directory() as directory,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        server = EmbeddedPostgres(directory, durable=False, door=door)
        try:
            runner.run(server.start())
            assert server.url_for_others is not None
            yield server.url_for_others
        finally:
            runner.run(server.stop())


def test_a_wrong_password_is_told_and_not_shown(
    typed: Typed, locked_postgres: str, own_redis: OwnServer
) -> None:
    wrong = locked_postgres.replace(":right@", f":{SECRET}@")
    for words, code in ((COMMAND, 2), (["migrate"], 2), (["queen"], 2), (["run", "x"], 125)):
        done = typed(*words, database=wrong, redis=own_redis.url)
        assert (done.returncode, done.stdout) == (code, "")
        assert "hive:***@127.0.0.1" in done.stderr
        assert 'password authentication failed for user "hive"' in done.stderr
    assert typed("migrate", database=locked_postgres, redis=own_redis.url).returncode == 0
    tell(own_redis, "CONFIG SET requirepass right")
    redis = own_redis.url.replace("unix://", f"unix://:{SECRET}@")
    done = typed(*COMMAND, "--json", database=locked_postgres, redis=redis)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"id": 1, "is_new": True})
    doctor = typed("doctor", "--json", database=locked_postgres, redis=redis)
    assert "invalid username-password pair" in mends(doctor)["redis"]["found"]


def execute(url: str, statement: str) -> None:
    """Send a statement to a Postgres."""

    async def send() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(send())


def test_a_database_that_is_absent_bare_or_too_new_is_told_with_the_way_out(
    typed: Typed, postgres_server: str, redis_server: str, database_url: str
) -> None:
    def complaint(url: str) -> str:
        done = typed(*COMMAND, database=url, redis=redis_server)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        return done.stderr

    absent = urlsplit(postgres_server)._replace(path="/absent").geturl()
    assert 'database "absent" does not exist' in complaint(absent)
    execute(database_url, "drop schema hive cascade")
    assert "run `hive migrate`" in complaint(database_url)
    execute(database_url, "create schema hive; create table hive.migration (number integer,"
            " name text, compatible_from integer);"
            f" insert into hive.migration values ({LATEST + 1}, 'new', {LATEST + 1})")  # fmt: skip
    assert "upgrade Hive" in complaint(database_url)


def test_a_role_without_rights_is_told_what_it_may_not_do(
    typed: Typed, redis_server: str, database_url: str
) -> None:
    execute(database_url, "create role limited")
    try:
        done = typed(*COMMAND, database=f"{database_url}&role=limited", redis=redis_server)
    finally:
        execute(database_url, "drop role limited")
    assert (done.returncode, done.stdout) == (2, "")
    assert "permission denied for schema hive" in done.stderr


@pytest.mark.parametrize("role", ["queen", "worker"])
def test_a_port_that_is_taken_is_told_with_the_setting_that_chooses_another(
    typed: Typed, database_url: str, redis_server: str, role: str
) -> None:
    with listening(silence) as port:
        flag = f"{role}.metrics_port={port}"
        done = typed(role, "--set", flag, database=database_url, redis=redis_server)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"127.0.0.1:{port}: Address already in use" in done.stderr
    assert f"{role}.metrics_port" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_data_directory_of_another_user_is_left_alone(no_hive: Console) -> None:
    data_dir = no_hive.data_dir / "theirs"
    data_dir.mkdir()
    os.chown(data_dir, 12345, -1)
    done = no_hive("up", "--data-dir", str(data_dir))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{data_dir} belongs to user id 12345, and this process runs as user id 0" in done.stderr
    assert list(data_dir.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is read-only")
@pytest.mark.parametrize("flag", [[], ["--detach"]])
def test_a_data_directory_on_a_read_only_disk_is_a_sentence(
    no_hive: Console, flag: list[str]
) -> None:
    disk = no_hive.data_dir / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,mode=0700", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        done = no_hive("up", *flag, "--data-dir", str(disk))
    finally:
        subprocess.run(["umount", disk], check=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Read-only file system" in done.stderr
    assert done.stderr.count("\n") == 1
