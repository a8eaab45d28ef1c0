"""Calls into a loop's thread: however they are interrupted, nothing is dropped half-made."""

import asyncio
import inspect
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hive_client.loop_thread import LoopThread
from hive_contracts.errors import UsageError

INTERRUPTED = [Path(inspect.getfile(each)) for each in (LoopThread, asyncio.BaseEventLoop, Future)]
"""The code of a call; other code, such as the removal of weak references, is nobody's to stop."""


@asynccontextmanager
async def nothing() -> AsyncGenerator[None]:
    yield


async def answer(*, value: int) -> int:
    await asyncio.sleep(0)
    return value


async def others() -> int:
    """Return how many tasks the loop has besides the one that serves and this one."""
    return len(asyncio.all_tasks()) - 2


def interrupted_at(line: int, run: Callable[[], int]) -> int | None:
    """Return what `run` returns, or None if the line-th line that it reached was interrupted."""
    reached = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal reached
        if event == "line":
            reached += 1
            if reached == line:
                raise KeyboardInterrupt
        return trace if Path(frame.f_code.co_filename) in INTERRUPTED else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return run()
    except KeyboardInterrupt:
        return None
    finally:
        sys.settrace(before)


def test_ctrl_c_at_any_line_of_a_call_leaves_no_coroutine_unawaited_and_no_work_behind() -> None:
    with LoopThread[None].open(nothing) as thread:

        def run() -> int:
            return thread.run(answer, value=7)

        line = 1
        while interrupted_at(line, run) is None:
            line += 1
        assert line > 20
        assert thread.run(answer, value=8) == 8
        while thread.run(others):
            pass


def test_a_wait_that_is_interrupted_calls_off_what_it_waits_for() -> None:
    called_off = threading.Event()

    async def endless() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            called_off.set()

    with LoopThread[None].open(nothing) as thread:
        with pytest.raises(KeyboardInterrupt):
            thread.run(endless)
        assert called_off.wait(20)
        assert thread.run(answer, value=9) == 9


def test_what_is_awaited_when_it_closes_is_called_off_before_what_it_stands_on() -> None:
    ended: list[str] = []
    begun = threading.Event()

    @asynccontextmanager
    async def noted() -> AsyncGenerator[None]:
        yield
        ended.append("resource")

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("call")

    def ask(thread: LoopThread[None]) -> None:
        with pytest.raises(UsageError, match="closed before it answered"):
            thread.run(endless)

    with ThreadPoolExecutor() as threads:
        with LoopThread[None].open(noted) as thread:
            asked = threads.submit(ask, thread)
            assert begun.wait(20)
        asked.result(20)
    assert ended == ["call", "resource"]
