"""The clouds of one worker: opened when they are first asked for, and shared by all who ask.

    sonnet, haiku, prose, cascade ──▶ Clouds ──▶ Agents ──▶ a file for each agent

Each file has one connection in a worker then, and one lock. Until a task asks, nothing of the
clouds is imported.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from hive_generation.models import Models
from hive_verse.settings import VerseSettings

if TYPE_CHECKING:
    from hive_verse.agents import Agents

__all__ = ["Clouds"]


class Clouds:
    """Everybody who speaks on this worker. Get one from `open`."""

    def __init__(self, settings: VerseSettings, models: Models, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._models = models
        self._stack = stack
        self._lock = asyncio.Lock()
        self._opened: Agents | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: VerseSettings, models: Models) -> "AsyncGenerator[Clouds]":
        """Give clouds, not opened yet; close them when the context closes.

        Args:
            settings: where they are.
            models: serve the model that speaks; outlive the context.
        """
        async with AsyncExitStack() as stack:
            yield cls(settings, models, stack)

    async def agents(self) -> "Agents":
        """Return everybody who speaks; the clouds are opened when first asked for."""
        from hive_verse.agents import open_agents  # noqa: PLC0415 - with the first task

        async with self._lock:
            if self._opened is None:
                opening = open_agents(self._settings.folder, self._models)
                self._opened = await self._stack.enter_async_context(opening)
        return self._opened
