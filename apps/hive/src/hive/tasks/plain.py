"""Output without what is meant for terminals: colours, cursor movements, window titles.

What is kept is kept as it was written, so this is done by whoever reads it (`hive logs --plain`).
"""

from typing import Final

from hive.tasks.outputs import Sink
from hive_contracts.execution import Stream
from hive_process.screen_text import SEQUENCE

__all__ = ["PlainOutput"]

LONGEST_BYTES: Final = 4096
"""What goes on for longer is no sequence but a stray escape, and is passed on."""


class PlainOutput:
    """Passes output on without its control sequences. Satisfies `hive.tasks.outputs.Sink`."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held = dict.fromkeys(Stream, b"")

    def write(self, stream: Stream, data: bytes) -> None:
        """Pass on what is text; hold back a sequence that is not whole yet."""
        text = SEQUENCE.sub(b"", self._held[stream] + data)
        escape = text.rfind(b"\x1b")
        # The end of a title is an escape itself, so that two may be open.
        if text.endswith(b"\x1b") and (before := text.rfind(b"\x1b", 0, escape)) >= 0:
            escape = before
        border = len(text) if escape < 0 or len(text) - escape > LONGEST_BYTES else escape
        self._held[stream] = text[border:]
        if border:
            self._sink.write(stream, text[:border])

    def skip(self, stream: Stream, size: int) -> None:
        """Pass on that something is missing; what was held back had its end there."""
        self._held[stream] = b""
        self._sink.skip(stream, size)
