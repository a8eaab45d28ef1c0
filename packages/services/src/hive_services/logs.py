"""What a server has said since it was started, for the error that tells of its end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["LogTail"]

TAIL_BYTES: Final = 4096
TAIL_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class LogTail:
    """The part of the log `path` that was written after a moment."""

    path: Path
    offset: int

    @classmethod
    def from_here(cls, path: Path) -> "LogTail":
        """Return what will be written from now on."""
        return cls(path, path.stat().st_size if path.exists() else 0)

    def text(self) -> str:
        """Return the last lines, at most 4 KiB of them; empty if there are none."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as log:
            end = log.seek(0, 2)
            log.seek(max(self.offset, end - TAIL_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def told(self) -> str:
        """Return the last lines as the end of a sentence."""
        text = self.text()
        return f"the end of {self.path}:\n{text}" if text else f"{self.path} says nothing"
