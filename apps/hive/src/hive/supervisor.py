"""Keep a Hive up on this machine: servers, then programs, in stages; and take it down in reverse.

    lock -> start servers -> migrate -> stage 1 -> stage 2 -> ... -> SIGTERM -> ... -> unlock

What dies is started again; the supervisor itself holds nothing that its own death could lose. The
first SIGTERM or SIGINT stops it in order, also while it is still coming up. The second is passed
on, so that workers stop what runs, give it back and sign off; what is left a little later is
killed. The third kills at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from hive import up_state
from hive.identity import ProcessIdentity
from hive.keeper import Keeper, Program
from hive.signals import heard
from hive.up_state import Invitation, UpState
from hive_contracts.errors import ConfigurationError, ServiceUnavailableError

__all__ = ["Plan", "Server", "Supervisor"]

READY_SECONDS: Final = 15.0
"""How long a program may take to say that it is ready before the next stage is started anyway."""

HURRYING: Final = 2
"""The signal that programs are to leave at once for."""

SERVER_PAUSE_SECONDS: Final = 2.0
"""Between two attempts to start a server again."""


class Server(Protocol):
    """A server that the supervisor runs."""

    async def start(self) -> None:
        """Start it, and return when it answers."""
        ...

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        ...

    async def stop(self) -> None:
        """Stop it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be up."""

    data_dir: Path
    database_url: str
    redis_url: str
    servers: Sequence[tuple[str, Server]]
    """With the name of each, in the order of their starts."""

    stages: Sequence[Sequence[Program]]
    """Programs; a stage is started when the one before it is ready, and stopped before it."""

    hurry_seconds: float = 10.0
    """How long programs that are to leave at once may take to stop what they run."""

    migrate: Callable[[], Awaitable[object]]
    """Called when the servers answer, before the first stage."""

    invitation: Invitation | None = None
    """How other machines reach the servers; None if they do not."""


class Supervisor:
    """One `hive up`."""

    def __init__(
        self,
        plan: Plan,
        *,
        report: Callable[[str], None],
        on_up: Callable[[UpState], None],
    ) -> None:
        self._plan = plan
        self._report = report
        self._on_up = on_up
        self._keepers: list[Keeper] = []
        self._signals = 0
        self._state = UpState(
            identity=ProcessIdentity.of_this_process(),
            started_at=datetime.now(UTC),
            database_url=plan.database_url,
            redis_url=plan.redis_url,
            is_up=False,
            invitation=plan.invitation,
        )

    async def run(self) -> None:
        """Come up, stay up until a signal says otherwise, and come down.

        Raises:
            ConfigurationError: the directory is taken, or a server cannot be run here.
            UnavailableError: a server did not come up.
        """
        main = asyncio.current_task()
        assert main is not None  # noqa: S101 - a coroutine runs in a task
        with up_state.hold(self._plan.data_dir), heard(partial(self._on_signal, main)):
            up_state.write(self._plan.data_dir, self._state)
            try:
                await self._serve()
            except asyncio.CancelledError:
                if not self._signals:
                    raise
                main.uncancel()
            finally:
                up_state.remove(self._plan.data_dir)

    async def _serve(self) -> None:
        # The stack is inside the group: a signal cancels this task, which waits inside both, so
        # everything is stopped in order while the tasks that keep it still run.
        async with asyncio.TaskGroup() as group, AsyncExitStack() as undo:
            for name, server in self._plan.servers:
                await self._start_server(name, server, group, undo)
            await self._plan.migrate()
            for programs in self._plan.stages:
                await self._start_stage(programs, group, undo)
            self._save(is_up=True)
            undo.callback(self._save, is_up=False)
            self._on_up(self._state)
            await asyncio.Event().wait()

    async def _start_server(
        self, name: str, server: Server, group: asyncio.TaskGroup, undo: AsyncExitStack
    ) -> None:
        await server.start()
        undo.push_async_callback(server.stop)
        keeping = group.create_task(self._keep_server(name, server), name=name)
        undo.callback(keeping.cancel)

    async def _keep_server(self, name: str, server: Server) -> None:
        while True:
            code = await server.wait()
            self._report(f"{name} ended with exit code {code}; it is started again")
            await self._start_again(name, server)

    async def _start_again(self, name: str, server: Server) -> None:
        failures = 0
        while True:
            try:
                await server.start()
            except ServiceUnavailableError as error:
                # Told once: this may go on for days, and the log may be on the disk that is full.
                if not failures:
                    self._report(
                        f"{name} does not start, and is tried again until it does: {error}"
                    )
                failures += 1
                await asyncio.sleep(SERVER_PAUSE_SECONDS)
            else:
                self._report(f"{name} is back")
                # If a full disk was what ended it, nothing could be written down meanwhile.
                self._save()
                return

    async def _start_stage(
        self, programs: Sequence[Program], group: asyncio.TaskGroup, undo: AsyncExitStack
    ) -> None:
        keepers = [Keeper(program, report=self._report, changed=self._save) for program in programs]
        self._keepers += keepers
        undo.push_async_callback(_stop_all, keepers)
        for keeper in keepers:
            group.create_task(keeper.run(), name=keeper.state.name)
        async with asyncio.TaskGroup() as settling:
            for keeper in keepers:
                settling.create_task(keeper.settle(seconds=READY_SECONDS))

    def _save(self, *, is_up: bool | None = None) -> None:
        self._state = replace(
            self._state,
            is_up=self._state.is_up if is_up is None else is_up,
            processes=tuple(keeper.state for keeper in self._keepers),
        )
        try:
            up_state.write(self._plan.data_dir, self._state)
        except ConfigurationError as error:
            self._report(f"{error}; until it can, `hive doctor` sees processes as they were before")

    def _on_signal(self, main: "asyncio.Task[object]") -> None:
        self._signals += 1
        if self._signals == 1:
            self._report("stopping; once more to stop at once")
            main.cancel()
        elif self._signals == HURRYING:
            for keeper in self._keepers:
                keeper.hurry()
            asyncio.get_running_loop().call_later(self._plan.hurry_seconds, self._kill)
        else:
            self._kill()

    def _kill(self) -> None:
        for keeper in self._keepers:
            keeper.kill()


async def _stop_all(keepers: Sequence[Keeper]) -> None:
    async with asyncio.TaskGroup() as group:
        for keeper in keepers:
            group.create_task(keeper.stop())
