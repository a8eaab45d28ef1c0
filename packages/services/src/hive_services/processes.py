"""Processes that die with their parent, whatever ends the parent.

`setpriv --pdeathsig` asks the kernel to send a signal when the parent is gone. The request is
forgotten when a process changes its credentials, so it is made last, after any change of identity,
and it says nothing of a parent that was gone before: the shell after it looks (its PPID is then
another) and does not start the program. "Parent" means the *thread* that started the process: start
servers from a thread that lives as long as they shall, such as the main one.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from hive_services.identities import find_tool

__all__ = ["Child", "processes_in", "signal_tree", "spawn"]

ONLY_FOR_ITS_PARENT: Final = 'if [ "$PPID" = "$0" ]; then exec "$@"; fi'


@dataclass(frozen=True, slots=True)
class Child:
    """A process that this one started. It belongs to no event loop."""

    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int | None:
        """Its process id, or None once it has ended."""
        return self.process.pid if self.process.poll() is None else None

    async def wait(self) -> int:
        """Return its exit code, negative for a signal, once it has ended."""
        if self.pid is None:
            return self.process.wait()
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self.process.pid)
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self.process.wait()

    def feed(self, data: bytes) -> None:
        """Write `data`, a few KiB at most, to its standard input, and close it."""
        if self.process.stdin is not None:
            # A program that ended early does not read; its exit code tells why.
            with suppress(BrokenPipeError), self.process.stdin as stdin:
                stdin.write(data)

    async def stop(self, first: signal.Signals, grace_seconds: float) -> int:
        """Send `first`, after the grace SIGKILL to the whole tree, and return the exit code."""
        try:
            async with asyncio.timeout(grace_seconds):
                self.process.send_signal(first)
                return await self.wait()
        except TimeoutError:
            signal_tree(self.process.pid, signal.SIGKILL)
            return await self.wait()


def spawn(
    command: Sequence[str | Path],
    *,
    prefix: Sequence[str] = (),
    death_signal: signal.Signals,
    log: Path,
    stdin: int = subprocess.DEVNULL,
) -> Child:
    """Start `command` in a session of its own, its output appended to `log`.

    Args:
        command: the program and its arguments.
        prefix: what changes the identity, put before it.
        death_signal: what it is sent when the thread that called this is gone.
        log: the file for what it says.
        stdin: a descriptor, or one of subprocess' constants.
    """
    name = death_signal.name.removeprefix("SIG")
    bound = (find_tool("setpriv"), "--pdeathsig", name, "--")
    guard = ("/bin/sh", "-c", ONLY_FOR_ITS_PARENT, str(os.getpid()))
    log.touch(mode=0o600)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*prefix, *bound, *guard, *map(str, command)],
            stdin=stdin,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_environment(),
            # A Ctrl-C at the terminal is for the parent, which stops its servers in order.
            start_new_session=True,
        )
    return Child(process)


def _environment() -> dict[str, str]:
    # PGDATA, PGPORT and their like would give the server other settings than the ones we state.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def signal_tree(pid: int, number: signal.Signals) -> None:
    """Send `number` to the process `pid` and to everything below it, those that are there."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def processes_in(directory: Path) -> list[psutil.Process]:
    """Return the processes that work in `directory`, as the servers do in their data."""
    wanted = str(directory)
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == wanted:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
