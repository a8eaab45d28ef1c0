"""Output without what is meant for terminals: colours, cursor movements, window titles.

What is kept is kept as it was written, so this is done by whoever reads it (`hive logs --plain`).
"""

import re
from typing import Final

from hive.tasks.outputs import Sink
from hive_contracts.execution import Stream

__all__ = ["PlainOutput"]

SEQUENCE: Final = re.compile(
    rb"\x1b(?:"
    rb"\[[0-?]*[ -/]*[@-~]"  # CSI: colours and movements
    rb"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC: titles and links
    rb"|[ -/]+[0-~]"  # character sets
    rb"|[0-OQ-WYZ\\`-~]"  # all others of two bytes
    rb")"
)
"""Source: ECMA-48, 5.2 to 5.6, and the BEL by which xterm lets an OSC end."""

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
