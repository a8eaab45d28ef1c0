"""The executor `call`: Python functions by import path.

    payload    {"function": "package.module:name", "args": [...], "kwargs": {...}}

Where a function runs depends on how it is defined:

- `async def` runs in the worker's own loop. That costs next to nothing, and asks for trust: a
  function that blocks holds up all that runs beside it, time-outs included; after a whole lease
  time the heartbeats stop, and the worker loses its leases. A cancelled function
  is sent `CancelledError` and waited for. One that swallows it cannot be stopped by anything but
  the end of its worker, which lets go of it after a while. What it prints is the worker's output,
  not the attempt's.
- `def` runs in a child process of its own, which is used again for later calls. It may block, leak
  and crash; it is stopped by a signal, and what it prints is the attempt's output. A process that
  it forks and leaves behind lives until the child is replaced.

Which of the two it is, is found out in a child: a module that prints, patches, blocks or crashes
when it is imported does so there first. The worker imports it only if the function is `async def`,
and then in a thread, so that its loop goes on.

A lease that is lost in mid-call ends children (their spawner sees to it); what an `async def`
function does to the world between the loss and its next `await` is not undone.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import ClassVar

from hive_calls.asking import Asking, outcome_of
from hive_calls.failures import describe, names_of
from hive_calls.functions import Function, UncallableError, find, is_async, refuse_module
from hive_calls.life import now_lives
from hive_calls.own_task import now_runs
from hive_calls.payload import KIND, CallPayload
from hive_calls.pool import ChildPool
from hive_calls.settings import DEMONSTRATION, CallSettings
from hive_contracts.errors import MalformedMessageError, MalformedPayloadError
from hive_contracts.execution import Attempt, Executor, Tools
from hive_contracts.outcomes import Failed, Outcome, Released, Succeeded
from hive_contracts.wire import decode_new_tasks, decode_payload, encode_json

__all__ = ["CallExecutor"]


class CallExecutor:
    """Runs functions, async ones in the loop and sync ones in child processes."""

    payload_type: ClassVar[type] = CallPayload

    def __init__(self, *, settings: CallSettings, pool: ChildPool) -> None:
        self._settings = settings
        self._pool = pool
        # To ask which loop runs takes a call of the kernel.
        self._loop = asyncio.get_running_loop()
        self._in_loop: dict[str, Function] = {}
        self._in_children: set[str] = set()
        self._first_use: dict[str, asyncio.Lock] = {}

    @classmethod
    def open(cls, tools: Tools) -> AbstractAsyncContextManager[Executor]:
        """Make an executor; no child is started before a function needs one."""
        return cls._open(tools)

    @classmethod
    @asynccontextmanager
    async def _open(cls, tools: Tools) -> AsyncGenerator[Executor]:
        settings = tools.settings_of(CallSettings)
        with _on_import_path(settings.path):
            async with ChildPool.open(
                spawner=tools.spawner, settings=settings, size=tools.slots
            ) as pool:
                yield cls(settings=settings, pool=pool)

    async def run(self, attempt: Attempt) -> Outcome:
        """Call the function and return what came of it."""
        task = attempt.task
        try:
            payload = decode_payload(KIND, task.payload, CallPayload)
        except MalformedPayloadError as error:
            return Failed(str(error), is_retryable=False)
        if task.writes_start:
            await attempt.announce_start()
        path = payload.function
        function = self._in_loop.get(path)
        if function is None and path not in self._in_children:
            refusal = await self._meet(path, attempt)
            if refusal is not None:
                return refusal
            function = self._in_loop.get(path)
        if function is None:
            return await self._run_in_child(path, attempt)
        if task.silence_timeout is not None:
            now_lives(attempt.show_life)
        attempt.let_be_abandoned()
        return await self._run_in_loop(function, payload, attempt)

    async def _meet(self, path: str, attempt: Attempt) -> Failed | Released | None:
        """Find out where the function runs; None once that is known."""
        try:
            refuse_module(path, self._settings.modules)
            # A burst of first calls would otherwise start a child for each slot.
            async with self._first_use.setdefault(path, asyncio.Lock()):
                if path in self._in_loop or path in self._in_children:
                    return None
                return await self._look_up(path, attempt)
        except UncallableError as error:
            return Failed(str(error), is_retryable=error.is_retryable)
        finally:
            self._first_use.pop(path, None)

    async def _look_up(self, path: str, attempt: Attempt) -> Failed | Released | None:
        if not path.startswith(f"{DEMONSTRATION}:"):
            reply = await self._pool.ask(
                encode_json({"look_up": path}), attempt, doing=f"importing {path}"
            )
            if isinstance(reply, Failed | Released):
                return reply
            if "error" in reply:
                return Failed(reply["error"], is_retryable=reply["is_retryable"])
            if not reply["is_async"]:
                self._in_children.add(path)
                return None
        function = await asyncio.to_thread(find, path, self._settings.modules)
        if is_async(function):
            self._in_loop[path] = function
        else:
            self._in_children.add(path)
        return None

    async def _run_in_child(self, path: str, attempt: Attempt) -> Outcome:
        task = attempt.task
        # A child that is asked not to be silent is listened to; others need not say anything.
        life = "false" if task.silence_timeout is None else "true"
        request = (
            f'{{"task_id":{task.id},"attempt":{task.attempt},"shows_life":{life},'
            f'"payload":{task.payload}}}'
        )
        reply = await self._pool.ask(request, attempt, doing=f"running {path}")
        if isinstance(reply, Failed | Released):
            return reply
        if "asks" in reply:
            return outcome_of(reply["asks"])
        if "error" in reply:
            names = tuple(reply["names"])
            return Failed(reply["error"], is_retryable=reply["is_retryable"], names=names)
        if "then" in reply:
            try:
                attempt.submit_on_success(*decode_new_tasks(reply["then"]))
            except MalformedMessageError as error:
                return Failed(f"what was to follow {path} is lost: {error}", is_retryable=False)
        return Succeeded(reply["result"])

    async def _run_in_loop(
        self, function: Function, payload: CallPayload, attempt: Attempt
    ) -> Outcome:
        now_runs(attempt)
        current = asyncio.current_task(self._loop)
        cancels_before = current.cancelling() if current else 0
        try:
            result = await function(*payload.args, **payload.kwargs)
            outcome = _asked(result) if isinstance(result, Asking) else Succeeded(result)
        except Asking as asking:
            outcome = _asked(asking)
        except BaseException as error:  # noqa: BLE001 - the function may raise anything
            outcome = Failed(describe(error), names=names_of(error))
        if current is not None and current.cancelling() > cancels_before:
            # Whatever the function made of it: the attempt was called off, and is over.
            raise asyncio.CancelledError
        return outcome


def _asked(asking: Asking) -> Outcome:
    return outcome_of(asking.as_plain())


@contextmanager
def _on_import_path(directories: tuple[Path, ...]) -> Generator[None]:
    # After what is there already, so that a user's `types.py` does not become the worker's.
    wanted = [str(directory.absolute()) for directory in directories]
    added = [directory for directory in wanted if directory not in sys.path]
    sys.path.extend(added)
    try:
        yield
    finally:
        for directory in added:
            sys.path.remove(directory)
