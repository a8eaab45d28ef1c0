"""`hive up` and `hive down` as a person uses them: real servers, a real queen and a real worker."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hive.identity import ProcessIdentity

Hive = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hive(tmp_path: Path) -> Generator[Hive]:
    """Run `hive` on a data directory of the test's own; whatever is up goes down at the end."""
    environment = {name: value for name, value in os.environ.items() if name[:5] != "HIVE_"}
    environment |= {"HOME": str(tmp_path), "HIVE_DATA_DIR": str(tmp_path / "data")}

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-P", "-m", "hive", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    yield run
    run("down", "--now")


def test_up_brings_everything_up_once_and_down_takes_it_down(hive: Hive, tmp_path: Path) -> None:
    up = hive("up", "-d", "--json")
    assert up.returncode == 0, up.stderr
    state: dict[str, Any] = json.loads(up.stdout)
    ready = [(process["name"], process["is_ready"]) for process in state["processes"]]
    assert ready == [("queen", True), ("worker-1", True)]

    again = hive("up", "-d", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["identity"] == state["identity"]
    assert "it is up already" in again.stderr

    migrated = hive("migrate", "--json")
    assert json.loads(migrated.stdout) == {"applied": []}
    checks = {check["name"]: check for check in json.loads(hive("doctor", "--json").stdout)}
    assert checks["database"]["is_fine"]
    assert checks["schema"]["is_fine"]
    assert checks["redis"]["is_fine"]
    assert checks["queen"]["is_fine"]

    down = hive("down")
    assert down.returncode == 0, down.stderr
    assert down.stderr == "hive: stopped the supervisor, queen, worker-1\n"
    assert not ProcessIdentity(**state["identity"]).is_alive()
    assert not any(Path(f"/proc/{process['pid']}").exists() for process in state["processes"])
    assert not (tmp_path / "data" / "up.json").exists()


def test_what_does_not_come_up_is_told_with_the_end_of_its_log(hive: Hive) -> None:
    url = "postgresql://hive@/hive?host=/absent"
    up = hive("up", "-d", "--database-url", url)
    assert up.returncode == 1
    assert up.stdout == ""
    assert up.stderr.startswith("hive: Hive did not come up; ")
    assert "Postgres at postgresql://hive@/hive?host=/absent did not answer" in up.stderr


def test_a_data_directory_that_cannot_be_made_is_a_sentence(hive: Hive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    up = hive("up", "-d", "--data-dir", str(tmp_path / "file" / "data"))
    assert up.returncode == 2
    assert "cannot be used: Not a directory" in up.stderr
    assert "Traceback" not in up.stderr


def test_the_data_directory_is_private(hive: Hive, tmp_path: Path) -> None:
    hive("up", "-d", "--database-url", "postgresql:///x?host=/absent")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_of_two_at_the_same_moment_the_slower_sees_that_it_is_up(hive: Hive) -> None:
    with ThreadPoolExecutor() as pool:
        begun = [pool.submit(hive, "up", "-d", "--json") for _ in range(2)]
        first, second = (one.result() for one in begun)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert json.loads(first.stdout)["identity"] == json.loads(second.stdout)["identity"]
    assert (first.stderr + second.stderr).count("it is up already") == 1
