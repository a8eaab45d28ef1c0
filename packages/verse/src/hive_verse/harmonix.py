"""An agent's cloud: everything that it has said, and how each text fell in with what it heard.

    heard, lines ──▶ receive ──▶ dissonance ─┬─▶ text, lines, words, trigrams
                                             └─▶ Kept

All of it is one transaction under one lock, so that a text's dissonance is measured against exactly
the clouds of those before it, and a process that is killed leaves a text whole or not at all.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from hive_verse.database import Database
from hive_verse.dissonance import NOTHING_TO_COMPARE, Dissonance, Measure
from hive_verse.errors import MalformedVerseError
from hive_verse.wording import Trigram, syllables_of_line, trigrams, words

__all__ = ["DEFAULT_QUALITY", "Harmonix", "Kept", "Stats", "Told"]

DEFAULT_QUALITY = 0.5
"""Of a text that nobody has judged."""

_KNOWN = "select word from words where word in (select value from json_each(?))"
_ADD_TEXT = """
insert into texts (text, quality, dissonance, temperature, seed, added_by, word_count, line_count)
values (?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD_LINE = "insert into lines (text_id, number, text, syllables) values (?, ?, ?, ?)"
_ADD_WORD = """
insert into words (word, frequency) values (?, ?)
on conflict (word) do update set frequency = frequency + excluded.frequency
"""
_ADD_TRIGRAM = """
insert into trigrams (first, second, third, count, resonance) values (?, ?, ?, ?, ?)
on conflict (first, second, third) do update set
  resonance = (resonance * count + excluded.resonance * excluded.count) / (count + excluded.count),
  count = count + excluded.count
"""
_TOLD = """
select id, text, quality, dissonance, temperature, seed, added_by, at from texts
"""
_STATS = """
select count(*), coalesce(avg(quality), 0), coalesce(avg(dissonance), 0),
  coalesce(sum(line_count), 0), (select count(*) from words), (select count(*) from trigrams),
  (select coalesce(sum(count), 0) from trigrams)
from texts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A text that a cloud has just taken in."""

    id: int
    text: str
    dissonance: Dissonance
    temperature: float
    """What it was made with."""

    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A text of a cloud."""

    id: int
    text: str
    quality: float
    dissonance: float
    temperature: float
    seed: int
    added_by: str
    at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What a cloud holds."""

    count: int
    average_quality: float
    average_dissonance: float
    lines: int
    vocabulary: int
    trigrams: int
    """Different ones."""

    trigrams_heard: int
    """How often any of them came up."""


class Harmonix:
    """A cloud, and the measure of one agent. Use it as a context."""

    measure: ClassVar[Measure]
    line_count: ClassVar[int | None] = None
    """Of each text; None if any number will do."""

    counts_heard: ClassVar[bool] = False
    """Whether the phrases that are heard are remembered too."""

    def __init__(self, path: Path) -> None:
        """Name the file of the cloud, which is made if it is not there."""
        self.database = Database(path)

    async def __aenter__(self) -> Self:
        """Open the cloud."""
        await self.database.__aenter__()
        return self

    async def __aexit__(self, *reason: object) -> None:
        """Close it."""
        await self.database.__aexit__(*reason)

    async def compute_dissonance(self, heard: str, said: str) -> Dissonance:
        """Measure an exchange, and change nothing."""
        async with self.database.reading():
            return await self._measure_unlocked(heard, said)

    async def receive(
        self,
        heard: str,
        lines: Sequence[str],
        *,
        temperature: float,
        seed: int,
        quality: float = DEFAULT_QUALITY,
        added_by: str = "",
    ) -> Kept:
        """Measure what was said to what was heard, and keep it; at once, or not at all.

        Raises:
            MalformedVerseError: these are not the lines of such a text.
        """
        self._check(lines)
        text = "\n".join(lines)
        async with self.database.transaction():
            dissonance = await self._measure_unlocked(heard, text)
            number = await self.database.write(
                _ADD_TEXT, text, quality, dissonance.value, temperature, str(seed), added_by,
                len(words(text)), len(lines),
            )  # fmt: skip
            await self._add_lines_unlocked(number, lines)
            await self._add_words_unlocked(words(text))
            phrases = trigrams(text) + (trigrams(heard) if self.counts_heard else [])
            await self._add_trigrams_unlocked(phrases, 1.0 - dissonance.value)
            await self._after_unlocked(text)
        return Kept(id=number, text=text, dissonance=dissonance, temperature=temperature, seed=seed)

    async def recent(self, limit: int = 10) -> list[Told]:
        """Return the latest texts, the newest first."""
        return await self._told(_TOLD + "order by id desc limit ?", limit)

    async def best(self, limit: int = 10, min_quality: float = 0.7) -> list[Told]:
        """Return the best texts of at least this quality, the best first."""
        statement = _TOLD + "where quality >= ? order by quality desc, id desc limit ?"
        return await self._told(statement, min_quality, limit)

    async def stats(self) -> Stats:
        """Return what the cloud holds."""
        async with self.database.reading():
            return await self._stats_unlocked()

    async def next_temperature(self) -> float:
        """Return the temperature that the latest exchange suggests for the next text."""
        statement = "select dissonance from texts order by id desc limit 1"
        async with self.database.reading():
            rows = await self.database.rows(statement)
        return self.measure.temperature(rows[0][0] if rows else NOTHING_TO_COMPARE)

    def _check(self, lines: Sequence[str]) -> None:
        if self.line_count is not None and len(lines) != self.line_count:
            raise MalformedVerseError(
                f"these are {len(lines)} lines, and {self.line_count} are needed"
            )
        if not lines or not all(line.strip() for line in lines):
            raise MalformedVerseError("a line is empty, or there is none")

    async def _measure_unlocked(self, heard: str, said: str) -> Dissonance:
        known = await self._known_unlocked(set(words(said)))
        return self.measure.measure(heard, said, known=known)

    async def _known_unlocked(self, asked: AbstractSet[str]) -> frozenset[str]:
        rows = await self.database.rows(_KNOWN, json.dumps(sorted(asked)))
        return frozenset(word for (word,) in rows)

    async def _add_lines_unlocked(self, number: int, lines: Sequence[str]) -> None:
        await self.database.write_many(
            _ADD_LINE,
            [(number, at, line, syllables_of_line(line)) for at, line in enumerate(lines, start=1)],
        )

    async def _add_words_unlocked(self, said: Iterable[str]) -> None:
        await self.database.write_many(_ADD_WORD, Counter(said).items())

    async def _add_trigrams_unlocked(self, phrases: Iterable[Trigram], resonance: float) -> None:
        rows = [(*phrase, count, resonance) for phrase, count in Counter(phrases).items()]
        await self.database.write_many(_ADD_TRIGRAM, rows)

    async def _after_unlocked(self, text: str) -> None:
        """Do what else a text does to a cloud of this kind."""

    async def _stats_unlocked(self) -> Stats:
        ((count, quality, dissonance, lines, vocabulary, kinds, heard),) = await self.database.rows(
            _STATS
        )
        return Stats(
            count=count,
            average_quality=quality,
            average_dissonance=dissonance,
            lines=lines,
            vocabulary=vocabulary,
            trigrams=kinds,
            trigrams_heard=heard,
        )

    async def _told(self, statement: str, *values: object) -> list[Told]:
        async with self.database.reading():
            rows = await self.database.rows(statement, *values)
        return [_told(row) for row in rows]


def _told(row: tuple[Any, ...]) -> Told:
    number, text, quality, dissonance, temperature, seed, added_by, at = row
    return Told(
        id=number,
        text=text,
        quality=quality,
        dissonance=dissonance,
        temperature=temperature,
        seed=int(seed),
        added_by=added_by,
        at=at,
    )
