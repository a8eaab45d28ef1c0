"""What a reader of an agent's stream is, and what those of JSON lines have in common."""

import re
from typing import Any, Final, Protocol, cast

from hive_agents.streams.lines import Lines
from hive_agents.streams.report import Report
from hive_contracts.errors import MalformedMessageError
from hive_contracts.wire import decode_json

__all__ = ["EventReader", "Reader"]


_escape: Final = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)"
    r"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""An escape in JSON; the group has it if it is whole, and not half of a character's two."""


class Reader(Protocol):
    """Reads what one attempt of an agent prints to its standard output."""

    @property
    def report(self) -> Report:
        """What it has said so far."""
        ...

    def feed(self, data: bytes) -> None:
        """Read on; whatever comes, nothing is raised."""
        ...

    def end(self) -> None:
        """Hear that nothing more comes."""
        ...


class EventReader:
    """Reads a stream of events: one JSON object a line. What is no event is counted, and passed by.

    A line that has begun and never ended is no event either: the agent died over it.
    """

    def __init__(self) -> None:
        self.report = Report()
        self._lines = Lines()

    def feed(self, data: bytes) -> None:
        """Read on."""
        for line in self._lines.feed(data):
            if line is None:
                self.report.unreadable_lines += 1
            elif line.strip():
                self._read(line)

    def end(self) -> None:
        """Hear that nothing more comes."""
        if (line := self._lines.rest()).strip():
            self._read(line)

    def take(self, event: dict[str, Any]) -> None:
        """Note what an event says."""
        raise NotImplementedError

    def _read(self, line: bytes) -> None:
        event = _decoded(line)
        if event is None and line.lstrip().startswith(b"{"):
            event = _decoded(_mended(line))
        if isinstance(event, dict):
            self.take(cast("dict[str, Any]", event))
        else:
            self.report.unreadable_lines += 1


def _decoded(line: bytes | str) -> Any:
    try:
        return decode_json(line)
    except MalformedMessageError:
        return None


def _mended(line: bytes) -> str:
    """Return a line without what is half a character: programs cut texts in the midst of one.

    A result is not to be lost over an emoji.
    """
    return _escape.sub(lambda found: found[1] or "\\ufffd", line.decode(errors="replace"))
