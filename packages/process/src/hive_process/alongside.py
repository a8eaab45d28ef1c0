"""Have something done for as long as something else is; what fails goes out as it is."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["alongside"]


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run `work` as long as the context is open, and cancel it then.

    Raises:
        ExceptionGroup: `work` has failed.
    """
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below: out of here it would be a group
            failure = error
        finally:
            working.cancel()
    if failure is not None:
        raise failure
