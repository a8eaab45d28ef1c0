"""What a submit needs of a connection: the caller's own, or one of ours."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

__all__ = ["Connection"]


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
