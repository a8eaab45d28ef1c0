"""What a submit needs of a connection: the caller's own, or one of ours."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

__all__ = ["Connection", "transaction_on"]


class Connection(Protocol):
    """What a submit needs of a connection: asyncpg's own has it, and what its pools give out."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        """Send a statement, and return its rows."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Return a transaction, or within one a savepoint, to be entered."""
        ...

    def is_in_transaction(self) -> bool:
        """Return whether a transaction is open."""
        ...


@asynccontextmanager
async def transaction_on(connection: Connection) -> AsyncGenerator[None]:
    """Run the body in a transaction, or within the caller's in a part of it, all or none.

    Who is cancelled waits for no rollback of a whole transaction: a server that is frozen would
    hold it up for a minute, and make a time-out of it. The line drops the connection instead.
    """
    is_whole = not connection.is_in_transaction()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(connection.transaction())
        try:
            yield
        except asyncio.CancelledError:
            if is_whole:
                stack.pop_all()
            raise
