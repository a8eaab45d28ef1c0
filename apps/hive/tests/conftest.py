"""A Hive of the session, `hive up` in a directory of its own, and a console to talk to it."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from hive import cli
from hive_testkit.console import HIVE, LONGEST_SECONDS, Console
from hive_testkit.desk import Desk
from hive_testkit.plugin import temporary_directory


@pytest.fixture(scope="session")
def hive() -> Generator[Console]:
    """The console of a Hive that is up, with one worker of four slots for queue `default`."""
    with temporary_directory() as directory:
        console = Console(directory)
        ready, ready_child = os.pipe()
        # Dies with pytest, however that ends.
        tied = {"HIVE_DIE_WITH_PARENT": str(os.getpid()), "HIVE_READY_FD": str(ready_child)}
        up = subprocess.Popen(
            [HIVE, "up"],
            env={**console.environment, **tied},
            pass_fds=(ready_child,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ready_child)
        try:
            assert os.read(ready, 1) == b"1", "the Hive of the tests did not come up"
            yield console
        finally:
            os.close(ready)
            up.terminate()
            up.wait(LONGEST_SECONDS)


@pytest.fixture
def no_hive(tmp_path: Path) -> Console:
    """A console with no Hive behind it."""
    return Console(tmp_path)


@pytest.fixture
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed has 80 columns, as on a terminal; off one nothing is cut."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def in_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """The command line in this process, for many cases: a process for each takes half a second."""
    for name in [name for name in os.environ if name.startswith("HIVE_")]:
        monkeypatch.delenv(name)
    # The command line puts a standard output of its own in its place.
    monkeypatch.setattr(sys, "stdout", sys.stdout)

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        monkeypatch.setattr(sys, "argv", ["hive", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        sys.stdout.flush()
        out, err = capfd.readouterr()
        code = ended.value.code
        return subprocess.CompletedProcess(words, code if isinstance(code, int) else 0, out, err)

    return run


@pytest.fixture
def desk(
    in_process: Callable[..., "subprocess.CompletedProcess[str]"],
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> Desk:
    """The command line on a database of the test's own, where nothing runs."""
    return Desk(in_process, database_url, redis_url, tmp_path)
