"""redis-py, without what Hive does not use of it.

For tokens of identity services it imports PyJWT, and with that much of `cryptography`: a sixth of
the time that a client takes to start, and 8 to 12 MiB of every process (Python 3.11, redis-py 5.3,
November 2026). Here PyJWT is imported when something of it is first asked for, which may be by
other users of redis-py in this process; all others meet the real one at once.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = [
    "InvalidResponse",
    "Redis",
    "RedisConnectionError",
    "RedisTimeoutError",
    "ResponseError",
]


class _Deferred(ModuleType):
    """Stands for a module, and imports it when it is asked for something."""

    def __getattr__(self, name: str) -> Any:
        """Return what the real module has by that name."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


@contextmanager
def _deferred(name: str) -> Generator[None]:
    """Have who imports `name` meanwhile get what stands for it, unless it is imported already."""
    stand_in = sys.modules.setdefault(name, _Deferred(name))
    try:
        yield
    finally:
        if isinstance(stand_in, _Deferred) and sys.modules.get(name) is stand_in:
            del sys.modules[name]


with _deferred("jwt"):
    from redis.asyncio import Redis
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import InvalidResponse, ResponseError
    from redis.exceptions import TimeoutError as RedisTimeoutError
