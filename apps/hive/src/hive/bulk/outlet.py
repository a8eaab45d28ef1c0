"""What tasks have written, passed on whole when each has ended, so that outputs never mix."""

import asyncio
import os
import sys
from collections.abc import Iterable
from typing import Final

from hive.bulk.panel import Panel
from hive.tasks.outputs import OutputReader, StandardStreams
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_store import TaskStore

__all__ = ["Outlet"]

PAUSE_SECONDS: Final = 0.5


class Outlet:
    """Prints the outputs of tasks: as they end, or in the order in which they were submitted."""

    def __init__(self, tasks: TaskStore, panel: Panel, *, keeps_order: bool) -> None:
        self._tasks = tasks
        self._sink = _BesidePanel(panel)
        self._keeps_order = keeps_order
        self._line: dict[TaskId, None] = {}
        self._ended: set[TaskId] = set()
        self.printed: list[TaskId] = []
        """Those whose output has been passed on."""

    def expect(self, task_ids: Iterable[TaskId]) -> None:
        """Take note of tasks in their order, before they end."""
        if self._keeps_order:
            self._line |= dict.fromkeys(task_ids)

    async def take(self, task_id: TaskId) -> None:
        """Print what the task wrote, now or when those before it have ended.

        Raises:
            UnwritableOutputError: nobody reads it any more.
        """
        if not self._keeps_order:
            await self._print(task_id)
            return
        self._ended.add(task_id)
        while (first := next(iter(self._line), None)) in self._ended and first is not None:
            await self._print(first)
            del self._line[first]
            self._ended.discard(first)

    async def _print(self, task_id: TaskId) -> None:
        reader = OutputReader(self._tasks, task_id, self._sink)
        while True:
            try:
                await reader.drain()
                break
            except StoreUnavailableError:
                await asyncio.sleep(PAUSE_SECONDS)
        self._sink.end()
        self.printed.append(task_id)


class _BesidePanel(StandardStreams):
    """Standard streams, on a terminal that also has a panel."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._is_terminal = os.isatty(sys.stdout.fileno())
        self._is_amid_a_line = False

    def write(self, stream: Stream, data: bytes) -> None:
        self._panel.erase()
        super().write(stream, data)
        self._is_amid_a_line = not data.endswith(b"\n")

    def skip(self, stream: Stream, size: int) -> None:
        self._panel.erase()
        super().skip(stream, size)

    def end(self) -> None:
        """See that what comes next begins on a line of its own, where a person sees it."""
        if self._is_amid_a_line and self._is_terminal:
            super().write(Stream.STDOUT, b"\n")
        self._is_amid_a_line = False
