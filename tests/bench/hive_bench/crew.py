"""The processes of one candidate, while they run: started, watched, ended with all below them."""

import asyncio
import json
import os
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import asyncpg
import psutil

from hive_bench.candidates import Candidate, Processes
from hive_bench.environments import PEERS, Environments, MissingError
from hive_bench.ground import Ground
from hive_contracts.errors import HiveError
from hive_services.identities import find_tool
from hive_testkit.processes import has_died
from peers.drive import submit_numbered, submit_timed
from peers.hive_peer import HivePeer

__all__ = ["FAULTS", "Crew", "FailedError"]

LONGEST_SECONDS: Final = 120
SAID_BYTES: Final = 1500
END_SECONDS: Final = 10


class FailedError(Exception):
    """A candidate did not do what it was to do; the message has its last words."""


FAULTS: Final = (MissingError, FailedError, HiveError, asyncpg.PostgresError, OSError)
"""What makes one figure missing and leaves the others."""


class Crew:
    """One candidate on one database."""

    def __init__(
        self,
        ground: Ground,
        environments: Environments,
        candidate: Candidate,
        database: str,
        variables: Mapping[str, str],
    ) -> None:
        self.candidate = candidate
        self.database = database
        self.ground = ground
        self._program = candidate.program(environments)
        self.environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if name[:5] != "HIVE_"},
            "BENCH_PROBE": str(ground.probe_path),
            "BENCH_POSTGRES": ground.url_of(database),
            "BENCH_REDIS": ground.redis_url,
            "HIVE_DATABASE_URL": ground.url_of(database),
            "HIVE_REDIS_URL": ground.redis_url,
            "XDG_STATE_HOME": str(ground.folder / "state"),
            "XDG_CONFIG_HOME": str(ground.folder),
            "PYTHONPATH": str(PEERS.parent),
            **candidate.variables(environments),
            **variables,
        }
        self._log = ground.folder / f"{candidate.name}.log"

    async def set_up(self) -> None:
        """Make what the candidate needs in its database; Hive's is copied with it."""
        if self._program:
            await self._tell("setup")

    async def submit(self, count: int) -> float:
        """Submit no-ops; return how many a second."""
        if self._program:
            seconds = json.loads(await self._tell("submit", str(count)))["seconds"]
        else:
            seconds = await submit_timed(self._hive(), count)
        return count / seconds

    async def submit_numbered(self, count: int) -> None:
        """Submit numbered no-ops, each when the one before has begun."""
        if self._program:
            await self._tell("latency", str(count))
        else:
            await submit_numbered(self._hive(), self.ground.probe, count)

    def _hive(self) -> HivePeer:
        return HivePeer(self.ground.url_of(self.database), self.ground.redis_url)

    async def _tell(self, *words: str) -> str:
        """Run the candidate's driver to its end; return what it printed last.

        Raises:
            FailedError: it failed, or did not end.
        """
        process = await asyncio.create_subprocess_exec(
            *self._program,
            *words,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                printed, said = await process.communicate()
        except TimeoutError:
            raise FailedError(f"{self.candidate.name} {words} took too long") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            last = said.decode(errors="replace")[-SAID_BYTES:]
            raise FailedError(f"{self.candidate.name} {words} failed: {last}")
        return printed.decode().strip()

    @contextmanager
    def at_work(
        self, workers: int = 1, *, processes: Processes | None = None
    ) -> "Generator[Mapping[str, list[int]]]":
        """Run the candidate's processes, or others; give their ids by role."""
        wanted = processes or self.candidate.processes(self._program, workers)
        running: list[subprocess.Popen[bytes]] = []
        pids: dict[str, list[int]] = {}
        try:
            for slot, (role, argv) in enumerate(wanted):
                running.append(self._start(argv, slot))
                pids.setdefault(role, []).append(running[-1].pid)
            yield pids
        finally:
            for process in running:
                _end(process)

    async def until_finished(self, *, within_seconds: float, look_seconds: float) -> None:
        """Return once the store has nothing unfinished.

        Raises:
            FailedError: it still had after that time.
        """
        try:
            async with (
                asyncio.timeout(within_seconds),
                self.candidate.asking(self.ground, self.database) as has_unfinished,
            ):
                while await has_unfinished():  # noqa: ASYNC110 - only the store knows
                    await asyncio.sleep(look_seconds)
        except TimeoutError:
            raise FailedError(
                f"{self.candidate.name} had tasks unfinished after {within_seconds:g} s more:"
                f" {self.last_words()}"
            ) from None

    def last_words(self) -> str:
        """Return what the processes wrote last."""
        return self._log.read_text(errors="replace")[-SAID_BYTES:] if self._log.exists() else ""

    def _start(self, argv: Sequence[str], slot: int) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                # So that nothing of it stays, whatever ends the benchmark.
                [find_tool("setpriv"), "--pdeathsig", "KILL", *argv],
                env={**self.environment, "BENCH_SLOT": str(slot)},
                cwd=self.ground.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and everything below it: nothing that it still had to do matters."""
    below: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for child in below:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    for child in below:
        has_died(child.pid, within_seconds=END_SECONDS)
