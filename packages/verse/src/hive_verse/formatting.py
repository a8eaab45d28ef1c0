"""From what a model says to fourteen lines, by throwing out and never by putting in.

A line is dropped if it is too short, begins lower-case, is a stage direction or the name of a
speaker, has a colon in its first half, or was there before. Behind a speaker's name and colon, what
is said may stay.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from hive_verse.wording import syllables_of_line, words

__all__ = ["LINES", "Draft", "Listener", "SonnetFormatter"]

LINES: Final = 14

_SHORTEST: Final = 3
_SPEAKER: Final = re.compile(r"(?:[A-Z][A-Za-z']*\s+){0,2}[A-Z][A-Za-z']*\s*:\s*(?P<said>.*)")
_NAMES: Final = frozenset(
    """
    AUFIDIUS BAPTISTA BENVOLIO BRUTUS BUCKINGHAM CAMILLO CLARENCE COMINIUS CORIOLANUS ESCALUS
    GLOUCESTER GREMIO HASTINGS HERMIONE HORTENSIO ISABELLA JULIET KATHARINA LEONTES LUCENTIO
    LUCIO MENENIUS MERCUTIO PAULINA PETRUCHIO POLIXENES PROSPERO ROMEO SICINIUS TRANIO
    VOLUMNIA WARWICK
    """.split()  # noqa: SIM905 - as text they are easier to read
)
_LEAST_SYLLABLES, _MOST_SYLLABLES = 9, 13


class Listener(Protocol):
    """Somebody who hears a text while it is made."""

    def hear(self, text: str) -> None:
        """Hear more of a line; the line's end comes with it."""
        ...

    def strike(self, line: str) -> None:
        """Learn that the line heard last, which had ended, is dropped."""
        ...


class SonnetFormatter:
    """The rules."""

    def clean(self, line: str) -> str | None:
        """Return a line as it may stand, or None if it may not."""
        line = line.strip()
        if (spoken := _SPEAKER.fullmatch(line)) is not None:
            line = spoken["said"]
            if len(line) < _SHORTEST:
                return None
        first = line.removeprefix("'").removeprefix('"')[:1]
        if len(line) < _SHORTEST or not first.isupper():
            return None
        # "Romeo" begins a line of verse, "ROMEO" one that says who speaks.
        if line.split()[0].strip(".,:;") in _NAMES or ":" in line[: len(line) // 2]:
            return None
        return line

    def lines(self, raw: str) -> list[str]:
        """Return the lines of `raw` that may stand, at most fourteen."""
        kept: list[str] = []
        for line in raw.split("\n"):
            cleaned = self.clean(line)
            if cleaned is not None and not self.repeats(cleaned, kept):
                kept.append(cleaned)
        return kept[:LINES]

    def format_sonnet(self, raw: str) -> str | None:
        """Return the sonnet in `raw`, or None if fewer than fourteen lines may stand."""
        kept = self.lines(raw)
        return "\n".join(kept) if len(kept) == LINES else None

    def repeats(self, line: str, earlier: Iterable[str]) -> bool:
        """Return whether one of the `earlier` lines has the same words in the same order."""
        return any(words(line) == words(other) for other in earlier)

    def is_clean(self, lines: Sequence[str]) -> bool:
        """Return whether these are fourteen lines as the rules leave them."""
        return len(lines) == LINES and self.lines("\n".join(lines)) == list(lines)

    def is_metrical(self, lines: Sequence[str]) -> bool:
        """Return whether a line has from 9 to 13 syllables, on average and by estimate."""
        mean = sum(map(syllables_of_line, lines)) / max(1, len(lines))
        return _LEAST_SYLLABLES <= mean <= _MOST_SYLLABLES


class Draft:
    """A sonnet while it is written: lines enter it as they end, until there are fourteen."""

    def __init__(self, formatter: SonnetFormatter, listener: Listener | None = None) -> None:
        self._formatter = formatter
        self._listener = listener
        self._open = ""
        self.lines: list[str] = []

    @property
    def is_full(self) -> bool:
        """Return whether there are fourteen lines; what is pushed then is lost."""
        return len(self.lines) == LINES

    def push(self, text: str) -> None:
        """Add to the line that is open, and to those behind it."""
        for piece in re.findall(r"[^\n]*\n|[^\n]+", text):
            if self.is_full:
                return
            self._open += piece
            if self._listener is not None:
                self._listener.hear(piece)
            if piece.endswith("\n"):
                self._end_line()

    def close_line(self) -> None:
        """End the line that is open, if one is."""
        if self._open:
            self.push("\n")

    def _end_line(self) -> None:
        line, self._open = self._open, ""
        cleaned = self._formatter.clean(line)
        if cleaned is not None and not self._formatter.repeats(cleaned, self.lines):
            self.lines.append(cleaned)
        elif self._listener is not None:
            self._listener.strike(line)
