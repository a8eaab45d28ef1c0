"""Which programs are found, which are refused, and what is said of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hive_contracts.errors import ConfigurationError
from hive_services.binaries import find_postgres, find_redis, show_version
from hive_services.identities import find_tool
from hive_services.inspection import inspect_services

Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that puts a program with a given answer to `--version` first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(name: str, answer: str) -> Path:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
        return program

    return write


def test_postgres_is_the_wheels() -> None:
    programs = find_postgres()
    assert programs.version[0] == 18
    assert programs.postgres.is_file()
    assert programs.initdb.is_file()


def test_a_recent_redis_on_path_comes_first(install: Install) -> None:
    program = install("redis-server", "Redis server v=7.0.15 sha=00000000:0 bits=64")
    assert find_redis().path == program
    assert show_version(find_redis().version) == "7.0.15"


@pytest.mark.parametrize(
    "answer", ["Redis server v=6.0.16 sha=00000000:0 bits=64", "Segmentation fault"]
)
def test_an_old_or_broken_redis_on_path_is_passed_over(install: Install, answer: str) -> None:
    program = install("redis-server", answer)
    assert find_redis().path != program
    assert find_redis().version >= (6, 2)


def test_a_missing_tool_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="setpriv is not on PATH: install util-linux"):
        find_tool("setpriv")


def test_an_inspection_reports_what_is_there() -> None:
    findings = {finding.name: finding for finding in inspect_services()}
    assert list(findings) == ["Postgres", "Postgres' user", "Redis", "setpriv"]
    assert all(finding.is_usable and finding.remedy is None for finding in findings.values())
    assert (findings["Postgres"].version or "").startswith("18.")
    assert findings["Redis"].path is not None


def test_an_inspection_says_how_to_mend_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = next(finding for finding in inspect_services() if finding.name == "setpriv")
    assert not finding.is_usable
    assert finding.path is None
    assert "install util-linux" in (finding.remedy or "")
