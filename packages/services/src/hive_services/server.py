"""What an embedded Postgres and an embedded Redis have in common: one life, from lock to shutdown.

    lock the directory -> wait for leftovers -> prepare -> spawn -> probe until it answers

A step that fails, or is cancelled, undoes those before it. What a killed supervisor may leave
behind is dealt with here and in `prepare`: servers that are still on their way down, sockets, pid
files and half-made directories.
"""

import asyncio
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from hive_contracts.errors import ServiceUnavailableError
from hive_services.doors import Door
from hive_services.homes import Home, claim_directory
from hive_services.locks import SupervisorLock
from hive_services.logs import LogTail
from hive_services.processes import Child, processes_in, spawn

__all__ = ["EmbeddedServer", "Recipe"]

START_SECONDS: Final = 300.0
"""How long a server may take to answer. Recovery after a crash takes as long as it takes; a server
that fails ends, which is noticed at once."""

STOP_SECONDS: Final = 20.0
LEFTOVER_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02

FULL_BYTES: Final = 1 << 20
"""With less room than this no server starts, and its log may not have had the room to say so."""


class Recipe(Protocol):
    """How one kind of server is prepared and started."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What changes the identity, put before the command."""
        ...

    @property
    def command(self) -> tuple[str | Path, ...]:
        """The server program and its arguments."""
        ...

    async def prepare(self, said: LogTail) -> None:
        """Make or check the data and write the settings; nobody else is in the directory.

        Raises:
            ConfigurationError: the data is not fit for this server.
            ServiceUnavailableError: making it failed; the message ends with the programs' words.
        """
        ...


class EmbeddedServer(ABC):
    """A server process in a data directory of its own.

    It dies with the thread that called `start`. It belongs to no event loop: it may be started in
    one and stopped in another.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        service: str,
        stop_signal: signal.Signals,
        door: Door | None,
    ) -> None:
        self._stop_signal: Final = stop_signal
        self._door: Final = door
        self._home = Home(data_dir.expanduser().resolve(), service)
        self._lock = SupervisorLock(self._home.lock)
        self._turn = asyncio.Lock()
        self._child: Child | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The server's address on this machine, which stays the same from start to start."""

    @property
    def url_for_others(self) -> str | None:
        """The server's address for other machines; None if it has no door."""
        return None if self._door is None else self._url_at(self._door)

    @property
    def pid(self) -> int | None:
        """The server's process id, or None while it does not run."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Start the server, and return when it answers. Does nothing if it runs already.

        Raises:
            ConfigurationError: the data directory, the programs or the user are not fit for it, or
                another process supervises the directory.
            ServiceUnavailableError: it did not come up; the message ends with the server's words.
                Or nothing can listen at its door.
        """
        async with self._turn, _disk_told(self._home), AsyncExitStack() as undo:
            if self.pid is not None:
                return
            recipe = self._recipe()
            claim_directory(self._home.root)
            self._lock.acquire()
            undo.callback(self._lock.release)
            await self._wait_for_leftovers()
            self._home.put_long_log_aside()
            if self._door is not None:
                self._door.see_that_it_is_free()
            said = LogTail.from_here(self._home.log)
            await recipe.prepare(said)
            self._child = spawn(
                recipe.command,
                prefix=recipe.prefix,
                death_signal=self._stop_signal,
                log=self._home.log,
            )
            undo.push_async_callback(self._end)
            await self._wait_until_it_answers(self._child, said)
            if self._door is not None:
                await self._unlock(self._door)
            undo.pop_all()

    async def wait(self) -> int:
        """Return the exit code once the server has ended, by itself or by `stop`.

        It is negative if a signal ended it.

        Raises:
            ServiceUnavailableError: it was never started.
        """
        if self._child is None:
            raise ServiceUnavailableError(f"the {self._home.service} was never started")
        return await self._child.wait()

    async def stop(self) -> None:
        """Stop the server and let the directory go. Does nothing if it does not run."""
        async with self._turn:
            await self._end()
            self._home.remove_outer_sockets()
            self._lock.release()

    @abstractmethod
    def _recipe(self) -> Recipe:
        """Return how the server is to run this time.

        Raises:
            ConfigurationError: the programs or the user are not fit for it.
        """

    @abstractmethod
    async def _answers(self) -> bool:
        """Return whether the server can be used; False while it starts."""

    @abstractmethod
    def _url_at(self, door: Door) -> str:
        """Return the server's address for those who come through `door`."""

    @abstractmethod
    async def _unlock(self, door: Door) -> None:
        """Have the running server take the password of `door`, unless its settings say it."""

    async def _end(self) -> None:
        if self._child is not None and self._child.pid is not None:
            await self._child.stop(self._stop_signal, STOP_SECONDS)

    async def _wait_until_it_answers(self, child: Child, said: LogTail) -> None:
        name = self._home.service
        try:
            async with asyncio.timeout(START_SECONDS):
                while child.pid is not None:
                    if await self._answers():
                        return
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise ServiceUnavailableError(
                f"the {name} of {self._home.root} did not answer within {START_SECONDS:.0f} s; "
                f"{said.told()}"
            ) from None
        code = await child.wait()
        raise ServiceUnavailableError(
            f"the {name} of {self._home.root} did not start, it ended with code {code}; "
            f"{said.told()}"
        )

    async def _wait_for_leftovers(self) -> None:
        # We hold the lock, so nobody supervises what still works in the directory: it is a killed
        # supervisor's server on its way down. It is not ended here, as it may also be a Postgres
        # that somebody started by hand.
        leftovers = processes_in(self._home.data)
        try:
            async with asyncio.timeout(LEFTOVER_SECONDS):
                while leftovers:
                    await asyncio.sleep(POLL_SECONDS)
                    leftovers = processes_in(self._home.data)
        except TimeoutError:
            pids = ", ".join(str(process.pid) for process in leftovers)
            raise ServiceUnavailableError(
                f"{self._home.data} is still used by process {pids}: end it, then start again"
            ) from None


@asynccontextmanager
async def _disk_told(home: Home) -> AsyncGenerator[None]:
    """Turn what the disk refuses while a server starts into an error that callers can name."""
    try:
        yield
    except OSError as error:
        raise ServiceUnavailableError(
            f"the {home.service} of {home.root} could not be started: {error}"
        ) from error
    except ServiceUnavailableError as error:
        if shutil.disk_usage(home.root).free < FULL_BYTES:
            raise ServiceUnavailableError(f"{error}; the disk of {home.root} is full") from error
        raise
