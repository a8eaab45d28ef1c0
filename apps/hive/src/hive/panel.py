"""A few lines at the bottom of a terminal that say how far something is, drawn again and again.

Off a terminal there are none, and a line now and then stands in for them. What else is printed goes
between `erase` and the next `draw`, so that the panel never lies amid it.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Final

from hive.printing import say
from hive.tables import COLUMNS, cut
from hive_contracts.clocks import BootClock

__all__ = ["Panel"]

REDRAW_SECONDS: Final = 0.2
LINE_SECONDS: Final = 10.0


class Panel:
    """Shows progress on standard error."""

    def __init__(self) -> None:
        self.is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        """Whether it is redrawn in place."""

        self._clock = BootClock()
        self._height = 0
        self._due_at = 0.0 if self.is_live else self._clock.seconds() + LINE_SECONDS

    @property
    def is_due(self) -> bool:
        """Whether it is time to show something new."""
        return self._clock.seconds() >= self._due_at

    def draw(self, lines: Sequence[str]) -> None:
        """Show `lines` in place of the last ones; off a terminal, print the first of them."""
        if not self.is_live:
            self._due_at = self._clock.seconds() + LINE_SECONDS
            say(lines[0])
            return
        self._due_at = self._clock.seconds() + REDRAW_SECONDS
        width = shutil.get_terminal_size((COLUMNS, 24)).columns - 1
        self.erase()
        _write("\n".join(cut(line, width) for line in lines))
        self._height = len(lines)

    def erase(self) -> None:
        """Take the lines away, so that something else can be printed where they were."""
        if self._height:
            up = f"\033[{self._height - 1}A" if self._height > 1 else ""
            _write(f"\r{up}\033[J")
        self._height = 0
        if self.is_live:
            self._due_at = 0.0

    def note(self, line: str) -> None:
        """Print a line that stays."""
        self.erase()
        say(line)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
