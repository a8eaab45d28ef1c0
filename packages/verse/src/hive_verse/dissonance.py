"""How far what was said is from what was heard, and how wild the next text should be for it.

Each agent has its own measure, and its own direction:

    HAiKU    a far word rouses it: the temperature rises with dissonance, smoothly
    Sonnet   rises too, in three steps
    Prose    falls: what is far already is told more soberly

Dissonance and all parts of a pulse lie in [0, 1]. Knows nothing of clouds; which of the words said
are known already is given.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Protocol

from hive_verse.wording import overlap, trigrams, words

__all__ = [
    "Dissonance",
    "HaikuMeasure",
    "Measure",
    "ProseMeasure",
    "Pulse",
    "SonnetMeasure",
    "take_pulse",
]

NOTHING_TO_COMPARE: Final = 0.5
"""The dissonance of a text with silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What an exchange felt like; each from 0 to 1."""

    novelty: float
    """The share of words that only one of the two has."""

    arousal: float
    """How much their lengths differ, for the length of what was heard."""

    entropy: float
    """How many different words were said, for the many that a text of the kind has."""


@dataclass(frozen=True, slots=True)
class Dissonance:
    """How far, and the pulse of it."""

    value: float
    pulse: Pulse


class Measure(Protocol):
    """How one agent measures, and what it makes of it."""

    def measure(self, heard: str, said: str, *, known: AbstractSet[str]) -> Dissonance:
        """Return the dissonance; `known` are those of the words said that were known before."""
        ...

    def temperature(self, dissonance: float) -> float:
        """Return the temperature of the next text."""
        ...


class HaikuMeasure:
    """By the words that both have; a shared phrase of three words brings them nearer."""

    def measure(self, heard: str, said: str, *, known: AbstractSet[str]) -> Dissonance:
        """Return the dissonance of a haiku."""
        del known
        pulse = take_pulse(heard, said, many_words=20)
        if not words(heard) or not words(said):
            return Dissonance(NOTHING_TO_COMPARE, pulse)
        value = pulse.novelty
        for part, limit, factor in (
            (pulse.entropy, 0.7, 1.2), (pulse.arousal, 0.6, 1.15), (pulse.novelty, 0.7, 1.1),
        ):  # fmt: skip
            value *= factor if part > limit else 1.0
        if set(trigrams(heard)) & set(trigrams(said)):
            value *= 0.7
        return Dissonance(_clamped(value), pulse)

    def temperature(self, dissonance: float) -> float:
        """Return from 0.3 to 1.5."""
        return 0.3 + 1.2 * _clamped(dissonance)


class SonnetMeasure:
    """By the words that its cloud had not known, and those that both have."""

    def measure(self, heard: str, said: str, *, known: AbstractSet[str]) -> Dissonance:
        """Return the dissonance of a sonnet."""
        pulse = take_pulse(heard, said, many_words=50)
        distinct = set(words(said))
        novelty = len(distinct - known) / len(distinct) if distinct else 1.0
        return Dissonance(_clamped(0.7 * novelty + 0.3 * pulse.novelty), pulse)

    def temperature(self, dissonance: float) -> float:
        """Return 0.6, 0.8 or 1.0."""
        if dissonance < 0.3:  # noqa: PLR2004 - the borders of its three steps
            return 0.6
        return 0.8 if dissonance < 0.7 else 1.0  # noqa: PLR2004


class ProseMeasure:
    """By the whole pulse."""

    def measure(self, heard: str, said: str, *, known: AbstractSet[str]) -> Dissonance:
        """Return the dissonance of prose."""
        del known
        pulse = take_pulse(heard, said, many_words=100)
        value = 0.5 * pulse.novelty + 0.3 * pulse.arousal + 0.2 * pulse.entropy
        return Dissonance(_clamped(value), pulse)

    def temperature(self, dissonance: float) -> float:
        """Return 0.96, 0.8 or 0.56."""
        if dissonance > 0.7:  # noqa: PLR2004 - the borders of its three steps
            return 0.8 * 0.7
        return 0.8 * 1.2 if dissonance < 0.3 else 0.8  # noqa: PLR2004


def take_pulse(heard: str, said: str, *, many_words: int) -> Pulse:
    """Return the pulse of an exchange; `many_words` different ones are the most that count."""
    theirs, ours = words(heard), words(said)
    return Pulse(
        novelty=1.0 - overlap(set(theirs), set(ours)),
        arousal=_clamped(abs(len(theirs) - len(ours)) / max(1, len(theirs))),
        entropy=_clamped(len(set(ours)) / many_words),
    )


def _clamped(value: float) -> float:
    return min(1.0, max(0.0, value))
