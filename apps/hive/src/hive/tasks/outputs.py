"""What an attempt wrote, read from the store from a place on, and passed on byte by byte."""

import os
import sys
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from hive.printing import say
from hive.standard_output import UnwritableOutputError
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_store import TaskStore
from hive_store.task_store import OutputPiece

__all__ = ["OutputReader", "Sink", "StandardStreams"]

NAMES: Final = {Stream.STDOUT: "output", Stream.STDERR: "error"}
BEHIND_EVERYTHING: Final = 2**62


class Sink(Protocol):
    """Where output goes."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Take the next bytes of a stream."""
        ...

    def skip(self, stream: Stream, size: int) -> None:
        """Take note that so many bytes of a stream were not kept."""
        ...


class StandardStreams:
    """Standard output to standard output, standard error to standard error, nothing changed."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Write the bytes out at once.

        Raises:
            UnwritableOutputError: nobody reads them any more, or they have no room.
        """
        file = sys.stdout if stream is Stream.STDOUT else sys.stderr
        file.flush()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(file.fileno(), view) :]
        except OSError as error:
            raise UnwritableOutputError(NAMES[stream], error) from error

    def skip(self, stream: Stream, size: int) -> None:
        """Say how much is missing."""
        say(f"... {size:,} bytes of {stream} left out ...")


class OutputReader:
    """Reads one attempt's output, each byte once."""

    def __init__(
        self,
        tasks: TaskStore,
        task_id: TaskId,
        sink: Sink,
        *,
        streams: Collection[Stream] = tuple(Stream),
        attempt: int | None = None,
    ) -> None:
        self._tasks = tasks
        self._task_id = task_id
        self._sink = sink
        self._attempt = attempt
        self._positions = {s: 0 if s in streams else BEHIND_EVERYTHING for s in Stream}

    async def fetch(self) -> Sequence[OutputPiece]:
        """Return what comes next, as far as it is in the store; `take` it to get on."""
        return await self._tasks.read_output(
            self._task_id,
            attempt=self._attempt,
            after_stdout=self._positions[Stream.STDOUT],
            after_stderr=self._positions[Stream.STDERR],
        )

    def take(self, pieces: Sequence[OutputPiece]) -> None:
        """Pass on what was fetched."""
        for piece in pieces:
            stream = Stream(piece.stream)
            if gap := piece.position - self._positions[stream]:
                self._sink.skip(stream, gap)
            self._sink.write(stream, piece.data)
            self._positions[stream] = piece.position + len(piece.data)

    async def drain(self, *, attempt: int | None = None) -> None:
        """Pass on everything that is in the store now, of `attempt` if it is another by now."""
        self._attempt = self._attempt if attempt is None else attempt
        while pieces := await self.fetch():
            self.take(pieces)
