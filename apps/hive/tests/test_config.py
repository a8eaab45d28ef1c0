"""`hive config`: which settings are in force, and why."""

import json
from pathlib import Path

import pytest

from hive_testkit.console import Console


def test_every_value_is_told_with_the_source_that_gave_it(tmp_path: Path) -> None:
    (tmp_path / "hive.toml").write_text("[worker]\nslots = 7\nheartbeat_seconds = 4\n")
    hive = Console(tmp_path, {"HIVE_WORKER_HEARTBEAT_SECONDS": "3"})
    words = ("config", "--json", "--set", "worker.queues=a,b")
    found = {one["key"]: one for one in json.loads(hive(*words, cwd=tmp_path).stdout)}
    assert found["worker.slots"] == {
        "key": "worker.slots",
        "value": 7,
        "origin": str(tmp_path / "hive.toml"),
    }
    assert found["worker.heartbeat_seconds"]["origin"] == "HIVE_WORKER_HEARTBEAT_SECONDS"
    assert found["worker.heartbeat_seconds"]["value"] == 3.0
    assert found["worker.queues"]["value"] == ["a", "b"]
    assert found["worker.queues"]["origin"] == "the command line"
    assert found["worker.processes"]["origin"] == "default"
    assert found["database.url"]["value"] is None


@pytest.mark.usefixtures("eighty_columns")
def test_the_table_fits_into_80_columns_and_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 20)
    folder.mkdir()
    (folder / "hive.toml").write_text("[worker]\nqueues = ['default', 'another-queue']\n")
    shown = Console(tmp_path)("config", cwd=folder).stdout
    lines = shown.splitlines()
    assert lines[0].split() == ["SETTING", "VALUE", "FROM"]
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("database.url") and "unset" in line for line in lines)
    start = next(n for n, line in enumerate(lines) if line.startswith("worker.queues"))
    origin_column = lines[0].index("FROM")
    folded = [line[origin_column:] for line in lines[start : start + 12]]
    assert str(folder / "hive.toml") in "".join(folded)


def test_one_setting_is_printed_bare_as_a_flag_would_take_it(no_hive: Console) -> None:
    assert no_hive("config", "worker.slots", "--set", "worker.slots=9").stdout == "9\n"
    assert no_hive("config", "database.url").stdout == "\n"
    assert no_hive("config", "worker.queues", "--set", "worker.queues=a,b").stdout == "a,b\n"
    found = json.loads(no_hive("config", "log.level", "--json").stdout)
    assert found == {"key": "log.level", "value": "info", "origin": "default"}


def test_no_password_is_shown(tmp_path: Path) -> None:
    url = "postgresql://me:s3cret@db/hive?sslpassword=s3cret"
    hive = Console(tmp_path, {"HIVE_DATABASE_URL": url})
    for words in (("config",), ("config", "--json"), ("config", "database.url")):
        shown = hive(*words).stdout
        assert "s3cret" not in shown
        assert "me:***@db" in shown


def test_a_password_in_what_is_no_url_is_not_shown_either(tmp_path: Path) -> None:
    hive = Console(tmp_path, {"HIVE_DATABASE_URL": "host=db password=s3cret"})
    assert "s3cret" not in hive("config", "database.url").stdout


def test_a_setting_that_does_not_exist_is_refused_with_the_nearest(no_hive: Console) -> None:
    done = no_hive("config", "worker.slot")
    assert done.returncode == 2
    assert done.stderr == "hive: there is no setting 'worker.slot'; did you mean worker.slots?\n"


def test_the_version_is_one_line(no_hive: Console) -> None:
    done = no_hive("--version")
    assert done.returncode == 0
    name, version = done.stdout.split()
    assert name == "hive"
    assert version[0].isdigit()
