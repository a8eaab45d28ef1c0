"""What tasks have written, passed on whole when each has ended, so that outputs never mix."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from hive.looking.agent_usage import answer_in
from hive.panel import Panel
from hive.tasks.outages import outlast
from hive.tasks.outputs import OutputReader, StandardStreams
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId

if TYPE_CHECKING:
    from hive_store import TaskStore

__all__ = ["Outlet", "PrintedOutputs"]


class Outlet:
    """Prints the outputs of tasks: as they end, or in the order in which they were submitted."""

    def __init__(
        self,
        tasks: "TaskStore",
        panel: Panel,
        memory: "PrintedOutputs",
        *,
        keeps_order: bool,
        gives_answers: bool = False,
    ) -> None:
        """Make one.

        Args:
            tasks: where outputs are read.
            panel: what else is on the terminal.
            memory: knows what has been printed.
            keeps_order: whether outputs come in the order in which the tasks were submitted.
            gives_answers: whether the tasks are agents', whose answers are wanted and no streams.
        """
        self._tasks = tasks
        self._panel = panel
        self._memory = memory
        self._sink = _BesidePanel(panel)
        self._keeps_order = keeps_order
        self._gives_answers = gives_answers
        self._line: dict[TaskId, None] = {}
        self._ended: set[TaskId] = set()
        self._unremembered: list[TaskId] = []
        self._can_remember = True

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

    def remember(self) -> None:
        """Write down whose outputs have been passed on, for whoever watches the group again."""
        task_ids, self._unremembered = self._unremembered, []
        if not task_ids or not self._can_remember:
            return
        try:
            self._memory.add(task_ids)
        except OSError as error:
            self._can_remember = False
            self._panel.note(f"hive: watched again, it will print outputs a second time: {error}")

    async def _print(self, task_id: TaskId) -> None:
        if self._gives_answers:
            await outlast(partial(self._print_answer, task_id))
        else:
            await outlast(OutputReader(self._tasks, task_id, self._sink).drain)
        self._sink.end()
        self._unremembered.append(task_id)

    async def _print_answer(self, task_id: TaskId) -> None:
        for record in await self._tasks.read_many([task_id]):
            if (text := answer_in(record.result)) is not None:
                self._sink.write(Stream.STDOUT, f"{text}\n".encode(errors="surrogateescape"))


class PrintedOutputs:
    """Which outputs of a group have been printed here already, for whoever watches it again.

    Kept in the data directory while somebody watches, and gone once all are printed. Without the
    file, on another machine for one, all outputs are printed.
    """

    def __init__(self, data_dir: Path, group: str) -> None:
        # A group's own name may be too long for a file.
        name = blake2b(group.encode(), digest_size=16).hexdigest()
        self._path = data_dir / "maps" / f"{name}.printed"

    def read(self) -> set[TaskId]:
        """Return the tasks whose outputs have been printed; none if nothing is known."""
        try:
            # The last line may have come only in part, on a disk that is full.
            whole, _, _ = self._path.read_text("ascii").rpartition("\n")
            return {TaskId(int(line)) for line in whole.split()}
        except (OSError, ValueError):
            return set()

    def add(self, task_ids: Iterable[TaskId]) -> None:
        """Remember further tasks whose outputs have been printed.

        Raises:
            OSError: they cannot be written.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.open("a", encoding="ascii") as file:
            file.write("".join(f"{task_id}\n" for task_id in task_ids))

    def forget(self) -> None:
        """Remember nothing more."""
        # Where nothing can be removed, nothing was kept.
        with suppress(OSError):
            self._path.unlink()


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
