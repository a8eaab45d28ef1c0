"""Imports that a library makes, put off until something of them is first asked for.

    with deferred("jwt"):
        from redis.asyncio import Redis

What costs time and memory at the start of every process, and is hardly ever used: redis-py has
PyJWT and much of `cryptography` for tokens of identity services (0.11 s, 8 to 12 MiB), structlog
has rich for tracebacks in colours (0.19 s, 3 MiB; Python 3.11, two busy cores, November 2026). Who
uses these parts of such a library has them: they are imported then. All others meet the modules.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["deferred"]


class _Thing:
    """Stands for something of a module: a class, a function, or a module in it."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def _real(self) -> Any:
        return getattr(import_module(self._module), self._name)


class _Module(ModuleType):
    """Stands for a module."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Thing(self.__name__, name)


@contextmanager
def deferred(*names: str) -> Generator[None]:
    """Have who imports one of these modules meanwhile get what stands for it.

    Those that are imported already are as they are.

    Args:
        names: with the packages that they are in, each before what is in it.
    """
    stand_ins = {name: _Module(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
