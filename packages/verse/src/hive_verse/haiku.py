"""The haiku: 5, 7 and 5 syllables by construction, from a chain of words.

A line is built word by word. Candidates for the next are those that followed the last two words in
the cloud, else the last one, else any, and of those only the ones that fit into what is left of the
line; there are words of one syllable, so that a line can always be filled exactly. Counts are
raised to 1 / temperature. Syllables are those of `lexicon.txt`, which says them; a word that is not
in it is in no haiku.
"""

import random
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from hive_inference.errors import RequestError
from hive_verse.dissonance import Dissonance, HaikuMeasure
from hive_verse.formatting import Listener
from hive_verse.harmonix import Harmonix, Kept
from hive_verse.speaking import MAX_SEED
from hive_verse.wording import trigrams, words

__all__ = ["PATTERN", "AsyncHaikuHarmonix", "Chain", "HaikuGenerator", "Lexicon", "lexicon"]

PATTERN: Final = (5, 7, 5)

_CANDIDATES: Final = 3
"""Haiku that are drawn; the one nearest to what was heard is said."""

_HEARD_FACTOR: Final = 25.0
"""By what a word that was heard weighs more."""

_RISE, _FADE = 1.1, 0.99
_LEAST_WEIGHT, _MOST_WEIGHT = 0.05, 10.0
"""A word that every haiku has rises for ever, and would be all that is said."""

_MOST_PHRASES: Final = 5_000
_PHRASES = "select first, second, third, count from trigrams order by count desc limit ?"
_RAISE = "update words set weight = min(?, weight * ?) where word = ?"
_LOWER = "update words set weight = max(?, weight * ?)"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words and how they are said."""

    syllables: Mapping[str, int]
    weak: frozenset[str]
    """Words that only lead to another."""


@cache
def lexicon() -> Lexicon:
    """Return the words of `lexicon.txt`."""
    counts: dict[str, int] = {}
    weak: set[str] = set()
    for line in _lines_of("lexicon.txt"):
        kind, _, listed = line.partition(":")
        for word in listed.lower().split():
            counts.setdefault(word, int(kind.split()[-1]))
            if kind.startswith("weak"):
                weak.add(word)
    return Lexicon(MappingProxyType(counts), frozenset(weak))


@dataclass(frozen=True, slots=True)
class Chain:
    """Which word follows which, and how often; only words of the lexicon."""

    after_two: Mapping[tuple[str, str], Mapping[str, float]]
    after_one: Mapping[str, Mapping[str, float]]
    weights: Mapping[str, float]
    """Of words that have another weight than 1."""

    @classmethod
    def of(
        cls, phrases: Iterable[tuple[str, str, str, int]], weights: Mapping[str, float]
    ) -> "Chain":
        """Return the chain of counted phrases."""
        known = lexicon().syllables
        after_two: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        after_one: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for first, second, third, count in phrases:
            if third in known:
                _add(after_two[first, second], third, count)
                _add(after_one[second], third, count)
            if second in known:
                _add(after_one[first], second, count)
        return cls(after_two, after_one, weights)

    def hearing(self, heard: Iterable[str]) -> "Chain":
        """Return the chain in which words that are heard weigh more, unless they only lead on."""
        heavier = {
            word: self.weights.get(word, 1.0) * _HEARD_FACTOR
            for word in heard
            if word not in lexicon().weak
        }
        return Chain(self.after_two, self.after_one, {**self.weights, **heavier})

    def build(self, temperature: float, choice: random.Random) -> list[str]:
        """Return three lines of 5, 7 and 5 syllables."""
        said: list[str] = []
        lines: list[str] = []
        for target in PATTERN:
            line: list[str] = []
            left = target
            while left:
                word = self._next(said, left, temperature, choice)
                said.append(word)
                line.append(word)
                left -= lexicon().syllables[word]
            lines.append(" ".join(line))
        return lines

    def _next(
        self, said: Sequence[str], left: int, temperature: float, choice: random.Random
    ) -> str:
        known = lexicon()
        for followers in self._followers(said):
            fitting = {
                word: count * self.weights.get(word, 1.0)
                for word, count in followers.items()
                if known.syllables[word] <= left
                # A word that fills the line ends it; and nothing is said twice.
                and not (known.syllables[word] == left and word in known.weak)
                and (word in known.weak or word not in said)
                and word not in said[-2:]
            }
            if fitting:
                return _drawn(fitting, temperature, choice)
        raise AssertionError("the lexicon has more words of one syllable than a haiku has")

    def _followers(self, said: Sequence[str]) -> Iterable[Mapping[str, float]]:
        if len(said) > 1:
            yield self.after_two.get((said[-2], said[-1]), {})
        if said:
            yield self.after_one.get(said[-1], {})
        yield dict.fromkeys(lexicon().syllables, 1.0)


class AsyncHaikuHarmonix(Harmonix):
    """The cloud of haiku."""

    measure: ClassVar = HaikuMeasure()
    line_count: ClassVar = len(PATTERN)
    counts_heard: ClassVar = True

    async def compute_dissonance(self, heard: str, said: str) -> Dissonance:
        """Measure an exchange, and remember its phrases."""
        async with self.database.transaction():
            dissonance = await self._measure_unlocked(heard, said)
            phrases = trigrams(heard) + trigrams(said)
            await self._add_trigrams_unlocked(phrases, 1.0 - dissonance.value)
        return dissonance

    async def morph(self, active: Iterable[str]) -> None:
        """Have these words weigh more, by a tenth, and all others less, by a hundredth.

        A word weighs 0.05 at least and 10 at most.
        """
        async with self.database.transaction():
            await self._morph_unlocked(active)

    async def chain(self) -> Chain:
        """Return which word follows which; in a cloud without phrases, those of the first lines."""
        async with self.database.reading():
            phrases = await self.database.rows(_PHRASES, _MOST_PHRASES)
            weights = await self.database.rows("select word, weight from words")
        return Chain.of([*_first_phrases(), *phrases], dict(weights))

    async def _after_unlocked(self, text: str) -> None:
        await self._morph_unlocked(words(text))

    async def _morph_unlocked(self, active: Iterable[str]) -> None:
        chosen = set(active)
        await self.database.write(_LOWER, _LEAST_WEIGHT, _FADE)
        rise = _RISE / _FADE
        await self.database.write_many(
            _RAISE, [(_MOST_WEIGHT, rise, word) for word in sorted(chosen)]
        )


class HaikuGenerator:
    """Says haiku. It has no state, and so no lock: its cloud has one."""

    def __init__(self, harmonix: AsyncHaikuHarmonix) -> None:
        """Speak from a cloud."""
        self.harmonix = harmonix

    async def generate(
        self,
        prompt: str,
        temperature: float | None = None,
        *,
        seed: int | None = None,
        listener: Listener | None = None,
        added_by: str = "",
    ) -> Kept:
        """Say a haiku to `prompt`, and keep it in the cloud.

        Args:
            prompt: words of it that a haiku may have come up more.
            temperature: above 0; None for what the latest exchange suggests (0.3 to 1.5).
            seed: the same seed, prompt and temperature give the same text from the same cloud.
            listener: hears the lines.
            added_by: who asked, for the cloud.

        Raises:
            RequestError: the temperature is not above 0.
        """
        if temperature is None:
            temperature = await self.harmonix.next_temperature()
        if not temperature > 0:
            raise RequestError(f"a haiku's temperature is {temperature}; it must be above 0")
        seed = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
        chain = await self.harmonix.chain()
        lines = _nearest(chain, prompt, temperature, random.Random(seed))  # noqa: S311 - verse
        if listener is not None:
            listener.hear("".join(f"{line}\n" for line in lines))
        return await self.harmonix.receive(
            prompt, lines, temperature=temperature, seed=seed, added_by=added_by
        )


def _nearest(chain: Chain, prompt: str, temperature: float, choice: random.Random) -> list[str]:
    towards = chain.hearing(words(prompt))
    drawn = [towards.build(temperature, choice) for _ in range(_CANDIDATES)]
    measure = HaikuMeasure()
    return min(
        drawn, key=lambda lines: measure.measure(prompt, "\n".join(lines), known=set()).value
    )


def _drawn(counts: Mapping[str, float], temperature: float, choice: random.Random) -> str:
    # Divided by the greatest first, so that no temperature makes a power overflow.
    greatest = max(counts.values())
    weights = [(count / greatest) ** (1 / temperature) for count in counts.values()]
    return choice.choices(list(counts), weights)[0]


def _first_phrases() -> list[tuple[str, str, str, int]]:
    found = [phrase for line in _lines_of("first_lines.txt") for phrase in trigrams(line)]
    return [(*phrase, 1) for phrase in found]


def _lines_of(name: str) -> list[str]:
    text = Path(__file__).with_name(name).read_text("utf-8")
    return [line for line in text.splitlines() if line and line[0] != "#"]


def _add(counts: dict[str, float], word: str, count: int) -> None:
    counts[word] = counts.get(word, 0.0) + count
