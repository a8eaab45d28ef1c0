"""Keep one program running: start it, notice when it ends, and start it again after a pause.

The pause doubles while the program ends soon after its start, and begins anew once it has run for a
while. A program that ends is always told of, with the end of its log.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hive.parenthood import DIE_WITH_PARENT, READY_FD
from hive.up_state import ProcessState
from hive_contracts.clocks import BootClock

__all__ = ["Keeper", "Program", "tail"]

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 10.0
LONG_RUN_SECONDS: Final = 10.0
"""A program that ran for so long did not fail at its start."""

LOG_BYTES: Final = 16 * 1024 * 1024
"""A longer log is put aside when its program starts."""

TAIL_BYTES: Final = 4096
TAIL_LINES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to keep running."""

    name: str
    argv: tuple[str, ...]
    log: Path
    grace_seconds: float
    """How long it has between SIGTERM and SIGKILL."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Added to the supervisor's own environment."""


class Keeper:
    """One program, kept running until it is told to stop."""

    def __init__(
        self, program: Program, *, report: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        self._program = program
        self._report = report
        self._changed = changed
        self._clock = BootClock()
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_ready = False
        self._starts = 0
        self._last_exit: str | None = None

    @property
    def state(self) -> ProcessState:
        """How the program does."""
        return ProcessState(
            name=self._program.name,
            pid=self._process.pid if self._process else None,
            is_ready=self._is_ready,
            starts=self._starts,
            last_exit=self._last_exit,
            log=str(self._program.log),
        )

    async def run(self) -> None:
        """Run the program, over and over, until `stop`."""
        quick_ends = 0
        try:
            while not self._stopping.is_set():
                began, log_offset = self._clock.seconds(), _prepared(self._program.log)
                await self._run_once()
                ran_seconds = self._clock.seconds() - began
                if self._stopping.is_set():
                    return
                quick_ends = 0 if ran_seconds >= LONG_RUN_SECONDS else quick_ends + 1
                pause_seconds = _pause_seconds(quick_ends)
                self._report(self._obituary(ran_seconds, pause_seconds, log_offset))
                await _first(self._stopping, pause_seconds)
        finally:
            self._ended.set()

    async def settle(self, *, seconds: float) -> None:
        """Return when the program says that it is ready, or has ended, or after so long."""
        await _first(self._settled, seconds)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after the grace; return when it has ended."""
        self._stopping.set()
        self._send(signal.SIGTERM)
        if not await _first(self._ended, self._program.grace_seconds):
            self._report(
                f"{self._program.name} did not end within {self._program.grace_seconds:g} s"
                " of SIGTERM; it is killed"
            )
            self.kill()
            await self._ended.wait()

    def hurry(self) -> None:
        """SIGINT, and start it no more: beside the SIGTERM of `stop` it has a worker leave at once.

        A second SIGTERM would be one with the first if that had not been heard yet.
        """
        self._stopping.set()
        self._send(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL now, and start it no more."""
        self._stopping.set()
        self._send(signal.SIGKILL)

    async def _run_once(self) -> None:
        reads, writes = os.pipe()
        try:
            self._process = await self._spawn(writes)
        except OSError as error:
            os.close(reads)
            self._last_exit = f"not started: {error}"
            self._settle()
            return
        finally:
            os.close(writes)
        await self._watch(self._process, reads)

    async def _spawn(self, ready_fd: int) -> asyncio.subprocess.Process:
        self._starts += 1
        own = {DIE_WITH_PARENT: str(os.getpid()), READY_FD: str(ready_fd)}
        with self._program.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self._program.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._program.env, **own},
                pass_fds=(ready_fd,),
                # A Ctrl-C at the terminal is for the supervisor, which stops everything in order.
                start_new_session=True,
            )

    async def _watch(self, process: asyncio.subprocess.Process, reads: int) -> None:
        self._changed()
        if self._stopping.is_set():
            # `stop` was called while it was being started.
            self._send(signal.SIGTERM)
        try:
            async with asyncio.TaskGroup() as group:
                listener = group.create_task(self._listen(reads))
                code = await process.wait()
                listener.cancel()
        finally:
            self._send(signal.SIGKILL)
            code = await process.wait()
            self._process, self._is_ready = None, False
            self._last_exit = _ending(code)
            self._settle()

    async def _listen(self, reads: int) -> None:
        loop, is_readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(reads, is_readable.set)
        try:
            await is_readable.wait()
            if os.read(reads, 1):
                self._is_ready = True
                self._settle()
        finally:
            loop.remove_reader(reads)
            os.close(reads)

    def _settle(self) -> None:
        self._settled.set()
        self._changed()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _obituary(self, ran_seconds: float, pause_seconds: float, log_offset: int) -> str:
        said = tail(self._program.log, since=log_offset)
        words = "".join(f"\n    {line}" for line in said) or " (it said nothing)"
        return (
            f"{self._program.name}: {self._last_exit} after {ran_seconds:.1f} s;"
            f" it is started again in {pause_seconds:g} s. The end of {self._program.log}:{words}"
        )


def tail(log: Path, *, since: int = 0) -> list[str]:
    """Return the last lines of `log`, of what was written after byte `since`."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since, size - TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
    except FileNotFoundError:
        return []


def _prepared(log: Path) -> int:
    """Put a long log aside; return how long the log is."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log.stat().st_size if log.exists() else 0


def _pause_seconds(quick_ends: int) -> float:
    return min(FIRST_PAUSE_SECONDS * 2 ** min(quick_ends, 30), LONGEST_PAUSE_SECONDS)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"ended by {signal.Signals(-code).name}"


async def _first(event: asyncio.Event, seconds: float) -> bool:
    """Return whether `event` happened within so long."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
