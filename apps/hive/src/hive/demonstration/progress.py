"""How far the demonstration is: a bar on a terminal, a line every few seconds elsewhere."""

import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final, Protocol

from hive.demonstration.ledger import Ledger
from hive.printing import say
from hive_contracts.clocks import BootClock

__all__ = ["Progress", "shown_progress"]

LINE_SECONDS: Final = 3.0
INDENT: Final = "    "


class Progress(Protocol):
    """Where progress is shown."""

    def note(self, line: str) -> None:
        """Tell of something that happened."""
        ...

    def begin(self, total: int) -> None:
        """Say that there are `total` tasks now, and that time counts from here."""
        ...

    def update(self, ledger: Ledger) -> None:
        """Show how far it is."""
        ...

    def begin_verse(self) -> None:
        """Forget the line that is not at its end: another sonnet begins, or the same once more."""
        ...

    def recite(self, text: str, *, stays: bool) -> None:
        """Show more of a sonnet; the end of a line comes with it.

        Lines that do not stay are seen only while they are written, and only on a terminal.
        """
        ...


@contextmanager
def shown_progress() -> Generator[Progress]:
    """Give what suits standard error."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with _bar() as bar:
        yield bar


class _Lines:
    """A line every few seconds."""

    def __init__(self) -> None:
        self._clock = BootClock()
        self._total = 0
        self._open_line = ""
        self._began_at = self._told_at = self._clock.seconds()

    def note(self, line: str) -> None:
        say(line)

    def begin(self, total: int) -> None:
        self._total = total
        self._began_at = self._told_at = self._clock.seconds()

    def update(self, ledger: Ledger) -> None:
        now = self._clock.seconds()
        if now - self._told_at >= LINE_SECONDS:
            self._told_at = now
            rate = ledger.done / (now - self._began_at)
            say(f"{ledger.done:>5}/{self._total}  {_figures(ledger, rate)}")

    def begin_verse(self) -> None:
        self._open_line = ""

    def recite(self, text: str, *, stays: bool) -> None:
        if not stays:
            return
        *lines, self._open_line = f"{self._open_line}{text}".split("\n")
        for line in lines:
            say(f"{INDENT}{line}")


@contextmanager
def _bar() -> "Generator[Progress]":
    from rich.console import Console, RenderableType  # noqa: PLC0415 - only here
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    # Short, so that the figures have room beside it in 80 columns: what has none is cut.
    columns = (BarColumn(bar_width=12), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
    open_line = ""

    class Stage(RichProgress):
        """The line that is being written, above the bar."""

        def get_renderables(self) -> Iterable[RenderableType]:
            if open_line:
                yield Text(f"{INDENT}{open_line}", no_wrap=True, overflow="crop")
            yield from super().get_renderables()

    with Stage(*columns, console=Console(stderr=True), transient=True) as rich:
        task = rich.add_task("tasks", total=None, figures="", visible=False)
        clock = BootClock()
        began_at = clock.seconds()

        class Bar:
            def note(self, line: str) -> None:
                rich.console.print(line, markup=False, highlight=False)

            def begin(self, total: int) -> None:
                nonlocal began_at
                began_at = clock.seconds()
                rich.update(task, total=total, visible=True)

            def update(self, ledger: Ledger) -> None:
                rate = ledger.done / max(0.001, clock.seconds() - began_at)
                rich.update(task, completed=ledger.done, figures=_figures(ledger, rate))

            def begin_verse(self) -> None:
                nonlocal open_line
                open_line = ""

            def recite(self, text: str, *, stays: bool) -> None:
                nonlocal open_line
                *lines, open_line = f"{open_line}{text}".split("\n")
                for line in lines if stays else ():
                    self.note(f"{INDENT}{line}")

        yield Bar()


def _figures(ledger: Ledger, rate: float) -> str:
    return (
        f"{rate:.0f}/s  {len(ledger.running)} running  {ledger.failed} failed"
        f"  {len(ledger.recovered)} recovered"
    )
