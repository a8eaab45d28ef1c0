"""The way of a command's output: heard for signs, counted, rid of secrets, and passed on.

    pipes ──▶ deadlines ──▶ redactor ──▶ the whole of it to a file, if asked
                                    ├──▶ head and tail to the attempt, and so to the store
                                    ├──▶ to who oversees it
                                    └──▶ to those who watch its terminal

Bytes stay as they are, whether they are text or not, and so do the colours of terminals.
"""

from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from hive_contracts.execution import Stream
from hive_process.deadlines import Deadlines
from hive_process.redacting import Redactor
from hive_process.screen_text import SEQUENCE, one_line
from hive_process.secrets import Secrets
from hive_process.whole_output import WholeOutput

__all__ = ["Outlet"]

TAIL_BYTES: Final = 16 * 1024
"""How far back the last line is looked for; a question that is longer is kept from its end."""


class Outlet:
    """Takes what a command prints."""

    def __init__(
        self,
        write: Callable[[Stream, bytes], None],
        deadlines: Deadlines,
        secrets: Secrets,
        hear: Callable[[Stream, bytes], None] | None = None,
    ) -> None:
        """Make one.

        Args:
            write: keeps what is printed.
            deadlines: look for signs in it.
            secrets: what is to be hidden.
            hear: who oversees the command, if anybody does.
        """
        self.written: Counter[Stream] = Counter()
        """Bytes that the command has written to each stream."""

        self._write = write
        self._hear = hear
        self._deadlines = deadlines
        self._redactors = {stream: Redactor(secrets) for stream in Stream} if secrets else None
        self._open = set(Stream)
        self._whole: WholeOutput | None = None
        self._show: Callable[[bytes], None] | None = None
        self._tail: bytes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The last of all: what pipes hold back comes when they are closed.
        if self._whole is not None:
            self._whole.close()

    def keep_whole(self, whole: WholeOutput) -> None:
        """Have everything written there as well, and close it at the end."""
        self._whole = whole

    def keep_last_line(self) -> None:
        """Have the last line of standard output kept."""
        self._tail = b""

    @property
    def last_line(self) -> str:
        """The last line of standard output that is not blank, as text; empty if none was kept."""
        text = SEQUENCE.sub(b"", self._tail or b"").decode(errors="replace")
        return next((line for line in map(one_line, reversed(text.splitlines())) if line), "")

    def show_to(self, show: Callable[[bytes], None]) -> None:
        """Have what goes to standard output shown to those who watch as well."""
        self._show = show

    def write(self, stream: Stream, data: bytes) -> None:
        """Pass on the next bytes of a stream."""
        self.written[stream] += len(data)
        self._deadlines.hear(stream, data)
        if self._redactors is not None:
            data = self._redactors[stream].feed(data)
        self._pass_on(stream, data)

    def end(self, stream: Stream) -> None:
        """Hear that nothing more comes of a stream."""
        if self._redactors is not None:
            self._pass_on(stream, self._redactors[stream].end())
        self._open.discard(stream)
        if not self._open:
            self._deadlines.hear_end()

    def _pass_on(self, stream: Stream, data: bytes) -> None:
        if not data:
            return
        if self._whole is not None:
            self._whole.write(data)
        self._write(stream, data)
        if self._hear is not None:
            self._hear(stream, data)
        if self._tail is not None and stream is Stream.STDOUT:
            self._tail = (self._tail + data)[-TAIL_BYTES:]
        if self._show is not None and stream is Stream.STDOUT:
            self._show(data)
