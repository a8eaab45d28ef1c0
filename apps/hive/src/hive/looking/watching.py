"""`hive status --watch`: look again and again, and show the newest page only.

On a terminal the page is drawn over the last one, on a screen of its own that is gone at the end,
so that what was there before is there again. Elsewhere page follows page, or document follows
document with `--json`. A Postgres that is away is told, the last page stays, and the looking goes
on.

Only a signal ends it: Ctrl-C, with the exit code 130 that shells know it by, or SIGTERM, with 143.
"""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Protocol

from hive.durations import show_seconds
from hive.looking.surveying import Survey, as_lines, as_plain, survey
from hive.moments import show_moment
from hive.printing import as_json, show
from hive.settings import Settings
from hive.tables import COLUMNS, cut
from hive.tasks.outages import Outage
from hive.tasks.reaching import open_view
from hive_contracts.errors import StoreUnavailableError

__all__ = ["watch"]

SIGNALLED: Final = 128
OTHER_SCREEN, OWN_SCREEN = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"
"""The terminal's second screen without a cursor, and back."""

HOME, CLEAR_LINE, CLEAR_REST = "\033[H", "\033[K", "\033[J"


class Page(Protocol):
    """Where surveys are shown."""

    def show(self, found: Survey) -> None:
        """Show what was found just now."""
        ...

    def miss(self, reason: str | None) -> None:
        """Tell that nothing can be found at the moment, and why; None: now it can again."""
        ...


async def watch(settings: Settings, *, interval_seconds: float, is_json: bool) -> int:
    """Show survey after survey until a signal says otherwise; return the exit code.

    Raises:
        HiveError: the first look failed; later ones are tried again.
    """
    with _page(interval_seconds, is_json=is_json) as page, _signals(page) as signals:
        async with open_view(settings) as view:
            page.show(await survey(view, settings))
            while not await signals.within(interval_seconds):
                try:
                    found = await survey(view, settings)
                except StoreUnavailableError as error:
                    page.miss(str(error))
                else:
                    page.miss(None)
                    page.show(found)
    return SIGNALLED + signals.first


@contextmanager
def _page(interval_seconds: float, *, is_json: bool) -> Generator[Page]:
    if is_json:
        yield _Stream(lambda found: [_document(found)])
    elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        screen = _Screen(interval_seconds)
        with screen.entered():
            yield screen
    else:
        yield _Stream(lambda found: [f"-- {_now()}", *as_lines(found), ""])


def _document(found: Survey) -> str:
    at = datetime.now().astimezone().isoformat()
    return as_json({"at": at, **as_plain(found)})


def _now() -> str:
    return show_moment(datetime.now().astimezone())


class _Stream:
    """Page after page; what is no page goes to stderr."""

    def __init__(self, lines: Callable[[Survey], Sequence[str]]) -> None:
        self._lines = lines
        self._outage = Outage()

    def show(self, found: Survey) -> None:
        for line in self._lines(found):
            show(line)

    def miss(self, reason: str | None) -> None:
        if reason is None:
            self._outage.note_that_it_answers()
        else:
            self._outage.note(reason)


class _Screen:
    """One page that fits the terminal, drawn over the last one."""

    def __init__(self, interval_seconds: float) -> None:
        self._head = f"hive status, every {show_seconds(interval_seconds)}; Ctrl-C ends it"
        self._lines: list[str] = []
        self._found_at = ""
        self._reason: str | None = None

    @contextmanager
    def entered(self) -> Generator[None]:
        """Have the terminal to ourselves until the context ends."""
        self._write(OTHER_SCREEN)
        try:
            yield
        finally:
            self._write(OWN_SCREEN)

    def show(self, found: Survey) -> None:
        self._lines, self._found_at = as_lines(found), _now()
        self.draw()

    def miss(self, reason: str | None) -> None:
        self._reason = reason
        if reason is not None:
            self.draw()

    def draw(self) -> None:
        """Draw the page anew, in the size that the terminal has now."""
        size = os.get_terminal_size(sys.stdout.fileno())
        width = min(size.columns, COLUMNS)
        lines = [cut(line, width) for line in self._page()]
        if len(lines) > size.lines:
            hidden = len(lines) - size.lines + 1
            lines = [*lines[: size.lines - 1], cut(f"... {hidden} more lines", width)]
        drawn = f"{CLEAR_LINE}\n".join(lines)
        self._write(f"{HOME}{drawn}{CLEAR_LINE}{CLEAR_REST}")

    def _page(self) -> list[str]:
        if self._reason is None:
            return [self._head, self._found_at, "", *self._lines]
        state = f"as of {self._found_at}; still trying, because"
        reason = textwrap.wrap(self._reason, COLUMNS, break_on_hyphens=False)
        return [self._head, state, *reason, "", *self._lines]

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class _Signals:
    """The first signal that says to end."""

    def __init__(self) -> None:
        self.first = 0
        self._heard = asyncio.Event()

    def hear(self, number: signal.Signals) -> None:
        self.first = self.first or number
        self._heard.set()

    async def within(self, seconds: float) -> bool:
        """Return whether one was heard, after so long at most."""
        try:
            async with asyncio.timeout(seconds):
                return await self._heard.wait()
        except TimeoutError:
            return False


@contextmanager
def _signals(page: Page) -> Generator[_Signals]:
    loop, signals = asyncio.get_running_loop(), _Signals()
    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, signals.hear, number)
    if isinstance(page, _Screen):
        loop.add_signal_handler(signal.SIGWINCH, page.draw)
    try:
        yield signals
    finally:
        for number in (*handled, signal.SIGWINCH):
            loop.remove_signal_handler(number)
