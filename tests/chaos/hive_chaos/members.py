"""The processes of Hive in a chaos run: started, and started again whenever they end.

    up        `hive up` over the same servers: a supervisor, with a queen and a worker of its own
    queen     a second queen
    worker    a second worker
    far       a worker on another machine: its own network, host name and process ids. As in a
              container, host name and process id are the same after every start

A member that is started again has the host name that it had. Nothing outlives the driver: each dies
with it, and its guardian with the worker.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from hive import up_state

__all__ = ["HIVE", "Exit", "Member", "Victim"]

HIVE: Final = (sys.executable, "-P", "-m", "hive")
BOUND: Final = ("setpriv", "--pdeathsig", "KILL", "--")
OWN_PIDS: Final = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
PAUSE_SECONDS: Final = 0.3
LOOK_SECONDS: Final = 0.05
END_SECONDS: Final = 20.0
MOST_WORDS: Final = 120
OWN_WORDS: Final = "hive: "
ADDRESS: Final = re.compile(r" at \w+://\S+")
"""Differs from run to run."""

UNSHARE_WORDS: Final = "unshare: sigprocmask"
"""What `unshare` says, and ends with 1, when a signal has ended what it waits for."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A process to strike. It knows when its process id has come to mean another."""

    name: str
    process: psutil.Process

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        with suppress(psutil.NoSuchProcess):
            self.process.send_signal(number)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a member ended."""

    name: str
    code: int
    words: str
    """The last that it has written."""

    def __str__(self) -> str:
        """Who, how and, if it says so, why."""
        if self.code < 0:
            return f"{self.name}: {signal.Signals(-self.code).name}"
        if self.words.startswith(UNSHARE_WORDS):
            return f"{self.name}: a signal, in its own process ids"
        why = f": {self.words}" if self.code else ""
        return f"{self.name}: exit code {self.code}{why}"


@dataclass
class Member:
    """One process of Hive."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    prefix: Sequence[str] = ()
    """What moves it to another machine."""

    has_own_pids: bool = False
    clock_seconds: int = 0
    """How far its clocks since boot are ahead of the machine's, from its next start on."""

    starts: int = 0
    exits: list[Exit] = field(default_factory=list[Exit])
    """How it has ended so far, before `stop`."""

    _process: "subprocess.Popen[bytes] | None" = None
    _stopping: bool = False
    _log_bytes: int = 0
    """How much its earlier lives have written."""

    async def keep(self) -> None:
        """Run it until `stop`."""
        while not self._stopping:
            self._start()
            assert self._process is not None
            while self._process.poll() is None:  # noqa: ASYNC110 - its end raises no event
                await asyncio.sleep(LOOK_SECONDS)
            if not self._stopping:
                code = self._process.returncode
                self.exits.append(Exit(self.name, code, self._last_words()))
                await asyncio.sleep(PAUSE_SECONDS)

    def _last_words(self) -> str:
        """Return what it says of itself, or else its last line."""
        said = self.log.read_bytes()[self._log_bytes :].decode(errors="replace").splitlines()
        own = [line for line in said if line.startswith(OWN_WORDS)]
        last = next(iter([*own[-1:], *said[-1:]]), "nothing")
        return ADDRESS.sub("", last)[:MOST_WORDS]

    def _start(self) -> None:
        words = [*HIVE, *self.argv]
        if self.clock_seconds:
            ahead = str(self.clock_seconds)
            words = ["unshare", "--time", "--boottime", ahead, "--monotonic", ahead, "--", *words]
        if self.has_own_pids or self.clock_seconds:
            words = [*OWN_PIDS, "--", *words]
        with self.log.open("ab") as log:
            self._log_bytes = log.tell()
            self._process = subprocess.Popen(
                [*BOUND, *self.prefix, *words],
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1

    @property
    def victim(self) -> Victim | None:
        """The process of Hive itself; None while it does not run."""
        process = self._process
        if process is None or process.poll() is not None:
            return None
        try:
            found = psutil.Process(process.pid)
            # `unshare --fork` waits for what it has started.
            while found.name() in {"unshare", "setpriv", "nsenter"}:
                [found] = found.children()
        except (psutil.NoSuchProcess, ValueError):
            return None
        return Victim(self.name, found)

    async def stop(self) -> None:
        """End it in good order, and for certain."""
        self._stopping = True
        if self._process is None:
            return
        if (victim := self.victim) is not None:
            victim.send(signal.SIGCONT)
            victim.send(signal.SIGTERM)
        elif self._process.poll() is None:
            self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


def supervised(data_dir: Path, *, name: str) -> Victim | None:
    """Return a process that `hive up` keeps in `data_dir`; None while it does not run."""
    state = up_state.read(data_dir)
    for process in state.processes if state is not None else ():
        if process.name == name and process.pid is not None:
            with suppress(psutil.NoSuchProcess):
                return Victim(f"up's {name}", psutil.Process(process.pid))
    return None


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the driver's environment without what is Hive's, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if name[:5] != "HIVE_"}
    return {**kept, **more}
