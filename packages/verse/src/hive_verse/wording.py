"""Words of a text, and what follows from counting them."""

import re
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

__all__ = ["Trigram", "overlap", "syllables", "syllables_of_line", "trigrams", "words"]

Trigram: TypeAlias = tuple[str, str, str]

_WORD: Final = re.compile(r"[a-z]+(?:['\N{RIGHT SINGLE QUOTATION MARK}][a-z]+)*")
_VOWELS: Final = re.compile(r"i(?=et|o[^u]|a)|[aeiouy]+")
_MUTE: Final = re.compile(r"[^aeiouytd]ed$|[^aeiouyl]e$|[aeiouy]les?$|[^aeiouysxzlcgh]es$")
"""Ends whose e is written and not said: loved, time, while, times."""


def words(text: str) -> list[str]:
    """Return the words of `text`, lower-case, in order."""
    return _WORD.findall(text.lower())


def trigrams(text: str) -> list[Trigram]:
    """Return every three words that follow each other."""
    found = words(text)
    return list(zip(found, found[1:], found[2:], strict=False))


def overlap(first: AbstractSet[str], second: AbstractSet[str]) -> float:
    """Return how much of both they share, from 0 to 1; of two empty sets, nothing.

    Source: Jaccard, The Distribution of the Flora in the Alpine Zone, 1912.
    """
    return len(first & second) / len(first | second) if first or second else 0.0


def syllables(word: str) -> int:
    """Estimate the syllables of a word, at least 1: groups of vowels, without a mute e.

    It is right of most words, and no more: English spelling does not tell.
    """
    word = word.lower().replace("qu", "q")
    groups = len(_VOWELS.findall(word))
    return max(1, groups - (1 if groups > 1 and _MUTE.search(word) else 0))


def syllables_of_line(line: str) -> int:
    """Estimate the syllables of a line; 0 if it has no word."""
    return sum(map(syllables, words(line)))
