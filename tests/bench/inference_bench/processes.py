"""Processes that measure: asked by a line of JSON, answering by one, idle in between."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hive_bench.environments import PEERS, Environments

__all__ = ["FailedError", "Process", "numpy_process", "torch_process"]

HERE: Final = Path(__file__).parents[1]


class FailedError(Exception):
    """A process ended instead of answering; the message has its last words."""


class Process:
    """One of them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, **said: Any) -> dict[str, Any]:
        """Have it do something, and return what it says.

        Raises:
            FailedError: it ended instead.
        """
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise AssertionError("the process was started with pipes")
        asked.write(json.dumps(said) + "\n")
        asked.flush()
        line = answers.readline()
        if not line:
            raise FailedError(f"{self._process.args!r} ended with {self._process.wait()}")
        return json.loads(line)


@contextmanager
def numpy_process(threads: int = 1) -> Generator[Process]:
    """Run a process with Hive's engine, and BLAS with so many threads."""
    with _running([sys.executable, "-m", "inference_bench.probe"], threads) as process:
        yield process


@contextmanager
def torch_process(environments: Environments, threads: int) -> Generator[Process]:
    """Run torch with so many threads.

    Raises:
        MissingError: it is not installed, and could not be, or was not to be.
    """
    argv = [environments.python("torch"), str(PEERS / "torch_peer.py"), str(threads)]
    with _running(argv, threads) as process:
        yield process


@contextmanager
def _running(argv: list[str], threads: int) -> Generator[Process]:
    env: Mapping[str, str] = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "OPENBLAS_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONWARNINGS": "ignore",
    }
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        try:
            yield Process(process)
        finally:
            process.kill()
