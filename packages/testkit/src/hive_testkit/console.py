"""The `hive` command as a person types it: the console script, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["HIVE", "LONGEST_SECONDS", "Console"]

HIVE: Final = str(Path(sys.executable).with_name("hive"))
LONGEST_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Console:
    """The `hive` command, pointed at one Hive (or, with a fresh directory, at none)."""

    data_dir: Path
    extra: dict[str, str] = field(default_factory=dict[str, str])
    """Environment variables beside those of the test, of which Hive's own are taken out."""

    @property
    def environment(self) -> dict[str, str]:
        """What `hive` is started with."""
        kept = {name: value for name, value in os.environ.items() if name[:5] != "HIVE_"}
        return {
            **kept,
            "HIVE_DATA_DIR": str(self.data_dir),
            "XDG_CONFIG_HOME": str(self.data_dir),
            **self.extra,
        }

    def __call__(
        self, *words: str, stdin: bytes = b"", cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run `hive` to its end."""
        done = subprocess.run(
            [HIVE, *words],
            env=self.environment,
            cwd=cwd or "/",
            input=stdin,
            capture_output=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        # Not text mode: a carriage return in the output of a command must stay one.
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def start(
        self,
        *words: str,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start `hive`, without a terminal; the caller ends it."""
        return subprocess.Popen(
            [HIVE, *words],
            env=self.environment,
            cwd="/",
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    def on_terminal(self, words: Sequence[str]) -> Any:
        """Start `hive` on a terminal of 80 columns; the caller closes it."""
        import pexpect  # noqa: PLC0415 - few tests need a terminal

        spawn: Any = pexpect.spawn  # pexpect leaves its types open
        return spawn(
            HIVE,
            list(words),
            env={**self.environment, "TERM": "xterm"},
            cwd="/",
            timeout=LONGEST_SECONDS,
            dimensions=(24, 80),
            encoding="utf-8",
        )
