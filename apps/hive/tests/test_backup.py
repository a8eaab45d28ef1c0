"""`hive backup` and `hive restore` as a person uses them, on a machine where nothing else runs."""

import asyncio
import json
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from hive_contracts.errors import ConfigurationError
from hive_services.binaries import find_postgres_of
from hive_services.identities import choose_identity
from hive_services.postgres import EmbeddedPostgres
from hive_store import migrate
from hive_store.connecting import connect
from hive_store.migrating import LATEST
from hive_testkit.console import Console
from hive_testkit.plugin import temporary_directory
from hive_testkit.schemas import migrations_of_yesterday

OLD = "16"


@pytest.fixture
def old_data() -> Generator[Path]:
    """A data directory with three tasks in it that another major version of Postgres made."""
    try:
        programs = find_postgres_of(OLD)
    except ConfigurationError as error:
        pytest.skip(str(error))
    prefix = choose_identity().prefix
    with temporary_directory() as folder:
        data = folder / "postgres"
        names = ("--username=hive", "--encoding=UTF8", "--locale=C", "--no-sync")
        subprocess.run(
            [*prefix, programs.initdb, "-D", data, *names], check=True, stdout=subprocess.DEVNULL
        )
        subprocess.run(
            [*prefix, programs.postgres, "--single", "-D", data, "template1"],
            input=b"create database hive\n",
            check=True,
            stdout=subprocess.DEVNULL,
        )
        asyncio.run(_submit_three(folder))
        yield folder


async def _submit_three(folder: Path, *, migrations: Path | None = None) -> None:
    server = EmbeddedPostgres(folder, any_version=True)
    await server.start()
    try:
        await migrate(server.url, folder=migrations)
        connection = await connect(server.url)
        await connection.execute(
            "insert into hive.task (kind, payload) select 'command', '{\"argv\": [\"true\"]}'"
            " from generate_series(1, 3)"
        )
        await connection.close()
    finally:
        await server.stop()


def test_data_of_another_postgres_is_brought_over_with_two_commands(
    old_data: Path, tmp_path: Path
) -> None:
    hive, file = Console(old_data), str(tmp_path / "hive.backup")
    refusal = hive("up")
    assert refusal.returncode == 2
    assert f"made by Postgres {OLD}" in refusal.stderr
    assert "`hive backup FILE`, then run `hive restore --replace FILE`" in refusal.stderr

    assert hive("backup", file).returncode == 0
    assert hive("restore", file).returncode == 2
    done = hive("restore", "--replace", file)
    assert done.returncode == 0, done.stderr
    [aside] = old_data.glob(f"postgres.made-by-{OLD}-*")
    assert f"is now in {aside}" in done.stderr
    assert "restored 3 tasks" in done.stderr
    assert (old_data / "postgres" / "PG_VERSION").read_text().strip() != OLD

    again = hive("backup", str(tmp_path / "again"), "--json")
    assert json.loads(again.stdout)["rows"]["task"] == 3


def test_hive_up_brings_the_data_of_an_older_hive_up_to_date_by_itself(tmp_path: Path) -> None:
    with temporary_directory() as folder:
        asyncio.run(_submit_three(folder, migrations=migrations_of_yesterday(tmp_path)))
        hive = Console(folder)
        try:
            assert hive("up", "-d").returncode == 0
            found = {check["name"]: check for check in json.loads(hive("doctor", "--json").stdout)}
            assert found["schema"]["is_fine"]
            assert found["schema"]["found"] == str(LATEST)
        finally:
            hive("down", "--now")


def test_on_a_terminal_it_shows_how_far_it_is(hive: Console, tmp_path: Path) -> None:
    assert hive("run", "--", "true").returncode == 0
    terminal = hive.on_terminal(["backup", str(tmp_path / "hive.backup")])
    try:
        terminal.expect(r"saving table \d+ of \d+: \w+, \d+\.\d MB")
        terminal.expect("saved")
        terminal.wait()
    finally:
        terminal.close()
    assert terminal.exitstatus == 0


def test_a_file_that_is_there_is_replaced_only_if_that_is_said(
    no_hive: Console, tmp_path: Path
) -> None:
    file = tmp_path / "kept"
    file.write_text("words")
    done = no_hive("backup", str(file))
    assert done.returncode == 2
    assert "is there already: choose another name, or say --force" in done.stderr
    assert file.read_text() == "words"


def test_without_a_hive_there_is_nothing_to_save(no_hive: Console, tmp_path: Path) -> None:
    done = no_hive("backup", str(tmp_path / "file"))
    assert done.returncode == 2
    assert done.stderr.startswith("hive: there is nothing to save")
