"""A Hive of the session, `hive up` in a directory of its own, and a console to talk to it."""

import os
import subprocess
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hive_testkit.console import HIVE, LONGEST_SECONDS, Console


@pytest.fixture(scope="session")
def hive() -> Generator[Console]:
    """The console of a Hive that is up, with one worker of four slots for queue `default`."""
    with TemporaryDirectory(prefix="hive-test-") as directory:
        console = Console(Path(directory))
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
