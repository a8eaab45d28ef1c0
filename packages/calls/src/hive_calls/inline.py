"""The kind `call` for tests: functions run in the process, and the thread, of who waits for them.

What the test has patched is patched for them, and a breakpoint in them stops the test. An `async
def` function runs in the loop that is there. A `def` function runs where it stands, and holds up
that loop; it sees no running loop, as in the children that run it elsewhere. No list of modules is
asked whether they may be called, a time-out cannot end a `def` function, and what functions print
is the process's own output.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from hive_calls.asking import Asking, outcome_of
from hive_calls.failures import describe, names_of
from hive_calls.functions import Function, UncallableError, find_any, is_async
from hive_calls.own_task import TaskInChild, now_runs
from hive_calls.payload import KIND, CallPayload
from hive_contracts.errors import MalformedPayloadError
from hive_contracts.execution import Attempt
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import Failed, Outcome, Succeeded
from hive_contracts.wire import decode_payload

__all__ = ["InlineCallExecutor"]


class InlineCallExecutor:
    """Runs functions where it is itself. Satisfies `hive_contracts.execution.Executor`."""

    def __init__(self, on_error: Callable[[TaskId, BaseException], None]) -> None:
        """Make an executor.

        Args:
            on_error: told what a function has raised, before the attempt ends with it.
        """
        self._on_error = on_error

    async def run(self, attempt: Attempt) -> Outcome:
        """Call the function and return what came of it; Ctrl-C alone passes."""
        task = attempt.task
        try:
            payload = decode_payload(KIND, task.payload, CallPayload)
            function = find_any(payload.function)
        except MalformedPayloadError as error:
            return Failed(str(error), is_retryable=False)
        except UncallableError as error:
            return Failed(str(error), is_retryable=error.is_retryable)
        await attempt.announce_start()
        try:
            result = await _result_of(function, payload, attempt)
            return _asked(result) if isinstance(result, Asking) else Succeeded(result)
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise
        except Asking as asking:
            return _asked(asking)
        except BaseException as error:  # noqa: BLE001 - the function may raise anything
            self._on_error(task.id, error)
            return Failed(describe(error), names=names_of(error))


def _asked(asking: Asking) -> Outcome:
    return outcome_of(asking.as_plain())


async def _result_of(function: Function, payload: CallPayload, attempt: Attempt) -> Any:
    if is_async(function):
        now_runs(attempt)
        return await function(*payload.args, **payload.kwargs)
    # It cannot wait for them where it stands, in the loop's own thread.
    parents, answers = await attempt.parents(), await attempt.answers()
    own = TaskInChild(lambda: parents, lambda: answers)
    now_runs(own)
    with _no_running_loop():
        result = function(*payload.args, **payload.kwargs)
    if own.then and not isinstance(result, Asking):
        attempt.submit_on_success(*own.then)
    return result


@contextmanager
def _no_running_loop() -> Generator[None]:
    """Have the body run as if outside of the loop, so that it may run one of its own."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)  # noqa: SLF001 - exported by asyncio for who runs loops
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)  # noqa: SLF001
