"""Which `hive up` of this machine a program finds that names no servers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hive_client import Hive
from hive_client.local_hive import LocalHive, data_dir, find_local_hive
from hive_process import procfs

UP: dict[str, Any] = {"database_url": "postgresql://a", "redis_url": "unix:///b"}


def identity_of(pid: int) -> dict[str, Any]:
    """What `hive up` writes down of a process."""
    status = procfs.status_of(pid)
    assert status is not None
    return {"pid": pid, "started_ticks": status.started_ticks, "boot_id": procfs.boot_id()}


def write(folder: Path, content: object) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "up.json").write_text(json.dumps(content))
    return {"HIVE_DATA_DIR": str(folder)}


def test_one_that_runs_is_found(tmp_path: Path) -> None:
    environment = write(tmp_path, {**UP, "identity": identity_of(os.getpid())})
    assert find_local_hive(environment) == LocalHive(
        database_url="postgresql://a", redis_url="unix:///b"
    )


def test_one_whose_process_is_gone_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as gone:
        identity = identity_of(gone.pid)
    assert find_local_hive(write(tmp_path, {**UP, "identity": identity})) is None


@pytest.mark.parametrize("content", [{}, [], "half a f", UP, {**UP, "identity": None}])
def test_a_file_of_another_form_is_none(content: object, tmp_path: Path) -> None:
    assert find_local_hive(write(tmp_path, content)) is None


def test_no_file_is_none(tmp_path: Path) -> None:
    assert find_local_hive({"HIVE_DATA_DIR": str(tmp_path)}) is None


def test_one_whose_number_another_process_has_now_is_not(tmp_path: Path) -> None:
    identity = identity_of(os.getpid()) | {"started_ticks": 1}
    assert find_local_hive(write(tmp_path, {**UP, "identity": identity})) is None


def test_files_are_where_hive_up_keeps_them() -> None:
    home = {"HOME": "/home/me"}
    assert data_dir(home) == Path("/home/me/.local/state/hive")
    assert data_dir(home | {"XDG_STATE_HOME": "relative"}) == data_dir(home)
    assert data_dir(home | {"XDG_STATE_HOME": "/state"}) == Path("/state/hive")
    assert data_dir(home | {"HIVE_DATA_DIR": "/data"}) == Path("/data")


async def test_a_client_without_addresses_uses_it_and_what_is_named_wins(
    tmp_path: Path,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = {"database_url": database_url, "redis_url": redis_url}
    found = {**urls, "identity": identity_of(os.getpid())}
    monkeypatch.setenv("HIVE_DATA_DIR", write(tmp_path, found)["HIVE_DATA_DIR"])
    monkeypatch.delenv("HIVE_DATABASE_URL", raising=False)
    monkeypatch.delenv("HIVE_REDIS_URL", raising=False)
    async with Hive.connect() as hive:
        assert await hive.submit("trial")
        assert hive.lookout.news.is_live
    async with Hive.connect(database_url) as hive:
        assert not hive.lookout.news.is_live
