"""Which executors are installed, opened when the first task of their kind arrives.

A package adds an executor by naming it in its own `pyproject.toml`; Hive never lists them:

    [project.entry-points."hive.executors"]
    command = "hive_process.command:CommandExecutor"
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from hive_contracts.errors import ConfigurationError, UnknownKindError
from hive_contracts.execution import EXECUTOR_GROUP, Executor, ExecutorType, Tools

__all__ = ["Executors", "installed"]


def installed() -> dict[str, EntryPoint]:
    """Return the entry point of every installed executor, by kind.

    Raises:
        ConfigurationError: two packages register the same kind.
    """
    found = list(entry_points(group=EXECUTOR_GROUP))
    twice = [name for name, count in Counter(e.name for e in found).items() if count > 1]
    if twice:
        raise ConfigurationError(f"registered by two packages: {', '.join(sorted(twice))}")
    return {entry.name: entry for entry in found}


class Executors:
    """The executors of one worker process."""

    def __init__(
        self, tools: Tools, stack: AsyncExitStack, stand_ins: Mapping[str, Executor]
    ) -> None:
        self._tools = tools
        self._stack = stack
        self._installed = installed()
        self._open: dict[str, Executor] = {**stand_ins}
        self._turn = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, tools: Tools, *, stand_ins: Mapping[str, Executor] = MappingProxyType({})
    ) -> "AsyncGenerator[Executors]":
        """Give the executors, and close afterwards those that were opened.

        Args:
            tools: what they are opened with.
            stand_ins: by kind, open ones that take the place of those that are installed.
        """
        async with AsyncExitStack() as stack:
            yield cls(tools, stack, stand_ins)

    def opened(self, kind: str) -> Executor | None:
        """Return the executor of `kind` if it is open already."""
        return self._open.get(kind)

    async def of_kind(self, kind: str) -> Executor:
        """Return the executor of `kind`, importing and opening it the first time.

        Raises:
            UnknownKindError: nothing registers that kind.
        """
        ready = self._open.get(kind)
        return ready if ready is not None else await self._open_one(kind)

    async def _open_one(self, kind: str) -> Executor:
        if kind not in self._installed:
            raise UnknownKindError(kind, tuple(sorted(self._installed)))
        async with self._turn:
            if kind not in self._open:
                # An import may take a while; heartbeats and other tasks go on.
                executor: type[ExecutorType] = await asyncio.to_thread(self._installed[kind].load)
                self._open[kind] = await self._stack.enter_async_context(executor.open(self._tools))
        return self._open[kind]
