"""The embedded Postgres in ordinary life: first start, restart, settings, addresses."""

import os
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from hive_contracts.errors import ServiceUnavailableError
from hive_services import EmbeddedPostgres


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def tell(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_first_start_makes_a_durable_database_and_a_role_called_hive(
    empty_dir: Path,
) -> None:
    server = EmbeddedPostgres(empty_dir)
    try:
        await server.start()
        assert await ask(server.url, "select current_database() || current_user") == "hivehive"
        assert await ask(server.url, "show server_encoding") == "UTF8"
        assert await ask(server.url, "show fsync") == "on"
        assert await ask(server.url, "show full_page_writes") == "on"
        assert await ask(server.url, "show data_checksums") == "on"
    finally:
        await server.stop()
    assert not list(empty_dir.glob("postgres.new-*"))


async def test_starting_and_stopping_twice_is_the_same_as_once(
    postgres: EmbeddedPostgres,
) -> None:
    pid = postgres.pid
    await postgres.start()
    assert postgres.pid == pid
    await postgres.stop()
    await postgres.stop()
    assert postgres.pid is None
    assert await postgres.wait() == 0


async def test_data_is_there_after_a_restart_at_the_same_address(
    postgres: EmbeddedPostgres,
) -> None:
    url = postgres.url
    await tell(url, "create table kept as select 7 as number")
    await postgres.stop()
    await postgres.start()
    assert postgres.url == url
    assert await ask(url, "select number from kept") == 7


async def test_a_client_that_stays_does_not_hold_up_the_stop(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute("begin; create table unfinished ()")
        await postgres.stop()
        assert await postgres.wait() == 0
    finally:
        connection.terminate()


async def test_waiting_for_a_server_that_was_never_started_is_refused(data_dir: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match="never started"):
        await EmbeddedPostgres(data_dir).wait()


async def test_the_server_runs_with_the_settings_of_a_queue(postgres: EmbeddedPostgres) -> None:
    expected = {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "jit": "off",
        "autovacuum_naptime": "10s",
        "idle_in_transaction_session_timeout": "1min",
        "TimeZone": "UTC",
        # Not durable means that the machine may not die; the server may.
        "synchronous_commit": "on",
        "fsync": "off",
    }
    connection = await asyncpg.connect(postgres.url)
    rows = await connection.fetch("show all")
    await connection.close()
    assert {row["name"]: row["setting"] for row in rows if row["name"] in expected} == expected


async def test_a_setting_changed_with_alter_system_stays(postgres: EmbeddedPostgres) -> None:
    await tell(postgres.url, "alter system set work_mem = '17MB'")
    await tell(postgres.url, "alter system set jit = on")
    await postgres.stop()
    await postgres.start()
    assert await ask(postgres.url, "show work_mem") == "17MB"
    assert await ask(postgres.url, "show jit") == "on"


async def test_variables_for_other_postgres_programs_change_nothing(
    data_dir: Path,
    postgres_in: Callable[[Path], EmbeddedPostgres],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("LC_ALL", "no_SUCH.locale")
    server = postgres_in(data_dir)
    await server.start()
    assert await ask(server.url, "select current_user") == "hive"


async def test_two_projects_run_side_by_side(
    postgres: EmbeddedPostgres, data_dir: Path, postgres_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    # A path that is too long for a socket, with characters that URLs write in another way.
    other = postgres_in(data_dir.parent / ("second project, with a long name " * 4))
    await other.start()
    await tell(postgres.url, "create table mine ()")
    assert await ask(other.url, "select to_regclass('mine')") is None

    socket_dir = Path(other.url.partition("host=")[2].partition("&")[0])
    assert socket_dir.stat().st_mode & 0o077 == 0
    await other.stop()
    assert not socket_dir.exists(), "the directory of the socket is left behind"


async def test_only_the_owner_can_reach_the_data_and_the_socket(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    for name in ("postgres", "postgres.run"):
        status = (data_dir / name).stat()
        assert status.st_uid == os.geteuid()
        assert status.st_mode & 0o077 == 0, name
    for name in ("postgres.log", "postgres.lock"):
        assert (data_dir / name).stat().st_mode & 0o077 == 0, name


async def test_a_long_log_is_put_aside_at_the_next_start(
    data_dir: Path, postgres_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    log = data_dir / "postgres.log"
    log.write_text("old words\n" * 200_000)
    await postgres_in(data_dir).start()
    assert "old words" not in log.read_text()
    assert "old words" in (data_dir / "postgres.log.1").read_text()
