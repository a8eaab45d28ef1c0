"""Run something beside the body of a context manager, for exactly as long as the body runs."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["beside"]


@asynccontextmanager
async def beside(
    work: Coroutine[Any, Any, None], *, name: str, stop: Callable[[], None] | None = None
) -> AsyncGenerator[None]:
    """Run `work` until the body ends.

    When the body ends, `stop` is called and `work` is awaited to its end; without a `stop` it is
    cancelled. When `work` fails, the body is cancelled. A single error comes out as itself and not
    as a group of one, so that callers can go on catching the errors that they know.
    """
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work, name=name)
            try:
                yield
            finally:
                (stop or task.cancel)()
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) == 1:
            error = errors.exceptions[0]
            raise error from error.__cause__
        raise
