"""An event loop in a thread of its own, for programs that have none.

The thread opens a resource, serves calls from any other thread, and closes the resource. Ctrl-C
reaches the thread that waits for an answer; what it had asked for is then called off. It may strike
between any two lines of the caller, so a coroutine is made in the loop's thread, where it begins at
once: one made by the caller could be dropped before anything awaits it.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from hive_contracts.errors import UsageError

__all__ = ["LoopThread"]

ResourceT_co = TypeVar("ResourceT_co", covariant=True)
ResultT = TypeVar("ResultT")


class LoopThread(Generic[ResourceT_co]):
    """A thread that holds a resource open and runs coroutines beside it. Get one from `open`."""

    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[ResourceT_co]]) -> None:
        self._opening = opening
        self._opened: Future[tuple[asyncio.AbstractEventLoop, ResourceT_co]] = Future()
        self._answers = asyncio.TaskGroup()
        self._ended: Future[None] = Future()
        self._closing = asyncio.Event()
        self._is_closed = False
        self._calls: set[Future[Any]] = set()
        self._process_id = os.getpid()
        # A daemon: an interpreter that exits in the middle of everything is not held up by it.
        self._thread = threading.Thread(target=self._main, name="hive", daemon=True)

    @classmethod
    @contextmanager
    def open(
        cls, opening: Callable[[], AbstractAsyncContextManager[ResourceT_co]]
    ) -> "Generator[LoopThread[ResourceT_co]]":
        """Start a thread that holds open what `opening` makes, and end it afterwards.

        Raises what `opening` raises.
        """
        thread = cls(opening)
        thread._refuse_misuse()
        thread._thread.start()
        thread._opened.result()
        try:
            yield thread
        finally:
            thread._close()

    @property
    def resource(self) -> ResourceT_co:
        """What the thread holds open; its coroutines belong into `run`."""
        return self._opened.result()[1]

    def run(
        self, work: Callable[..., Coroutine[Any, Any, ResultT]], /, *args: Any, **kwargs: Any
    ) -> ResultT:
        """Return what `work` returns, run in the thread; raise what it raises.

        Raises:
            UsageError: the thread is closed, belongs to another process, or the caller's thread has
                an event loop of its own, which would stand still meanwhile.
        """
        call: Future[ResultT] = Future()
        try:
            # In this order: who closes the thread meanwhile sees the call, or is seen.
            self._calls.add(call)
            self._refuse_misuse()
            loop, _ = self._opened.result()
            loop.call_soon_threadsafe(self._begin, call, partial(work, *args, **kwargs))
            return call.result()
        except CancelledError:
            raise UsageError("this Hive was closed before it answered") from None
        finally:
            # It is over, unless something like Ctrl-C interrupted the wait for it.
            call.cancel()
            self._calls.discard(call)

    def _begin(
        self, call: Future[ResultT], work: Callable[[], Coroutine[Any, Any, ResultT]]
    ) -> None:
        if self._closing.is_set() or call.cancelled():
            call.cancel()
            return
        task = self._answers.create_task(_answer(call, work))
        call.add_done_callback(partial(_call_off, asyncio.get_running_loop(), task))

    def _refuse_misuse(self) -> None:
        if self._is_closed or self._ended.done():
            raise UsageError("this Hive is closed; connect anew")
        if os.getpid() != self._process_id:
            raise UsageError(
                "this Hive belongs to the process that this one was forked from; connect anew"
            )
        if _has_loop():
            raise UsageError(
                "an event loop runs in this thread, and would stand still while a SyncHive waits;"
                " use `async with Hive.connect()` here"
            )

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised where the thread is opened or closed
            (self._ended if self._opened.done() else self._opened).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        async with self._opening() as resource, self._answers:
            self._opened.set_result((asyncio.get_running_loop(), resource))
            await self._closing.wait()

    def _close(self) -> None:
        self._is_closed = True
        for call in tuple(self._calls):
            call.cancel()
        if not self._ended.done():
            loop, _ = self._opened.result()
            loop.call_soon_threadsafe(self._closing.set)
        self._ended.result()
        self._thread.join()


async def _answer(call: Future[ResultT], work: Callable[[], Coroutine[Any, Any, ResultT]]) -> None:
    try:
        result = await work()
    except asyncio.CancelledError:
        call.cancel()
        raise
    except BaseException as error:  # noqa: BLE001 - raised where the call was made
        if call.set_running_or_notify_cancel():
            call.set_exception(error)
    else:
        if call.set_running_or_notify_cancel():
            call.set_result(result)


def _call_off(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], call: Future[Any]) -> None:
    if call.cancelled() and not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
