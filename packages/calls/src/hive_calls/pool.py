"""The child processes of one worker: started when they are needed, used again, replaced.

    room? ──▶ an idle child, or a new one ──▶ ask ──┬──▶ reply       ──▶ idle again, or retired
    (slots)                                         ├──▶ it is gone  ──▶ buried
                                                    ├──▶ gibberish   ──▶ stopped
                                                    └──▶ cancelled   ──▶ stopped

The child that was used last is used next, so that the others have time to grow old: one that has
been idle for `idle_seconds` is ended. One that has answered `max_child_calls` is replaced, and what
it had leaked or left running goes with it.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from signal import Signals
from typing import Any, Protocol

from hive_calls.running import ChildGoneError, GibberishError, RunningChild, start_child
from hive_calls.settings import CallSettings
from hive_contracts.errors import UnavailableError
from hive_contracts.execution import Attempt
from hive_contracts.outcomes import Failed, Released
from hive_contracts.spawning import Exit, Spawner

__all__ = ["ChildPool"]


class Ending(Protocol):
    """A way to end a child: stop it, or see what became of it."""

    async def __call__(self, *, grace_seconds: float) -> Exit:
        """Return how the child ended, once nothing of it is left."""
        ...


class ChildPool:
    """Children that run requests, at most one each, at most `size` at once."""

    def __init__(
        self, *, spawner: Spawner, settings: CallSettings, size: int, group: asyncio.TaskGroup
    ) -> None:
        self._spawner = spawner
        self._settings = settings
        self._room = asyncio.Semaphore(size)
        self._group = group
        self._idle: list[RunningChild] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, spawner: Spawner, settings: CallSettings, size: int
    ) -> AsyncGenerator["ChildPool"]:
        """Make a pool; when the context closes, its children are ended."""
        failure: BaseException | None = None
        async with asyncio.TaskGroup() as group:
            pool = cls(spawner=spawner, settings=settings, size=size, group=group)
            keeper = group.create_task(pool._keep_young(), name="calls.keep_young")
            try:
                yield pool
            except BaseException as error:  # noqa: BLE001 - raised below, once the children are gone
                # Left to the group, it would come out wrapped in an `ExceptionGroup`.
                failure = error
            keeper.cancel()
            pool._retire(pool._idle)
        if failure is not None:
            raise failure

    async def ask(
        self, request: str, attempt: Attempt, *, doing: str
    ) -> dict[str, Any] | Failed | Released:
        """Send `request` to a child and return its reply, or what became of the child.

        Cancelling the call ends the child, and returns once nothing of it is left.

        Args:
            request: the message.
            attempt: where the child's output goes.
            doing: the request in words, as in "the child process died while ...".
        """
        async with self._room:
            try:
                child = await self._take(attempt)
            except OSError as error:
                return Failed(f"no child process could be started: {error}")
            try:
                reply = await child.ask(request, attempt)
            except ChildGoneError:
                return _what_became(await self._see_through(child.bury), doing)
            except GibberishError as error:
                await self._see_through(child.stop)
                return Failed(f"there is no sense in what the child said while {doing}: {error}")
            except BaseException:
                await self._see_through(child.stop)
                raise
            self._give_back(child)
            return reply

    async def _take(self, attempt: Attempt) -> RunningChild:
        while self._idle:
            child = self._idle.pop()
            if child.is_waiting():
                return child
            self._retire([child])
        return await start_child(self._spawner, modules=self._settings.modules, attempt=attempt)

    def _give_back(self, child: RunningChild) -> None:
        child.calls += 1
        if child.calls >= self._settings.max_child_calls or not child.is_whole():
            self._retire([child])
            return
        child.idle_since_seconds = asyncio.get_running_loop().time()
        self._idle.append(child)

    async def _keep_young(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._settings.idle_seconds)
            oldest_seconds = loop.time() - self._settings.idle_seconds
            old = [child for child in self._idle if child.idle_since_seconds <= oldest_seconds]
            self._idle = [child for child in self._idle if child not in old]
            self._retire(old)

    def _retire(self, children: Sequence[RunningChild]) -> None:
        for child in children:
            self._begin(child.stop)

    def _begin(self, ending: Ending) -> asyncio.Task[Exit | UnavailableError]:
        return self._group.create_task(self._end(ending), name="calls.end_child")

    async def _end(self, ending: Ending) -> Exit | UnavailableError:
        # A spawner that is gone is an error of the attempt that meets it, not of the whole group.
        try:
            return await ending(grace_seconds=self._settings.grace_seconds)
        except UnavailableError as error:
            return error

    async def _see_through(self, ending: Ending) -> Exit:
        # However often we are told to hurry: what is reported as over must be over. The grace
        # bounds it.
        task = self._begin(ending)
        is_cancelled = False
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                is_cancelled = True
        if is_cancelled:
            raise asyncio.CancelledError
        ended = task.result()
        if isinstance(ended, UnavailableError):
            raise ended
        return ended


def _what_became(ended: Exit, doing: str) -> Failed | Released:
    if ended.fenced:
        return Released(f"the worker could not prove its lease while {doing}")
    if ended.signal is not None:
        name = _name(ended.signal)
        return Failed(f"the child process was killed by {name} while {doing}", names=(name,))
    return Failed(
        f"the child process exited with code {ended.code} while {doing}", names=(str(ended.code),)
    )


def _name(signal: int) -> str:
    try:
        return Signals(signal).name
    except ValueError:
        return f"signal {signal}"
