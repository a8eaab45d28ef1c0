"""Public-domain verse to train on: read, cleaned, split, cut into pieces of words.

A document is fourteen lines under a heading. A sonnet is one as it stands; of the plays, any
fourteen lines of verse that follow each other, whoever says them.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from hive_verse.heading import MARK, MAX_WORDS, content_words, heading

LINES: Final = 14
HELD_SONNETS, HELD_PLAYS = 10, 20
"""Every tenth sonnet, and the last twentieth of the plays, are for validation."""

_LETTERS: Final = frozenset("\n !',-.:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_SHORTEST, _LONGEST = 24, 60
"""Characters of a line of verse; what is shorter or longer in the plays is mostly prose."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Lines of verse."""

    plays: list[str]
    sonnets: list[list[str]]
    held_plays: list[list[str]]
    held_sonnets: list[list[str]]

    def draw(self, choice: random.Random, sonnets: float) -> list[str]:
        """Return the lines of a document: a sonnet with the probability `sonnets`, or of a play."""
        if choice.random() < sonnets:
            return choice.choice(self.sonnets)
        start = choice.randrange(len(self.plays) - LINES)
        return self.plays[start : start + LINES]


def read_corpus(folder: Path) -> Corpus:
    """Read `tinyshakespeare.txt`, `shakespeare-sonnets.txt` and `spenser-amoretti.txt`."""
    read = [
        _clean(line) for line in (folder / "tinyshakespeare.txt").read_text("utf-8").splitlines()
    ]
    plays = [line for line in read if _SHORTEST <= len(line) <= _LONGEST and line[0].isupper()]
    cut = len(plays) - len(plays) // HELD_PLAYS
    sonnets = [
        sonnet
        for name in ("shakespeare-sonnets.txt", "spenser-amoretti.txt")
        for sonnet in _sonnets((folder / name).read_text("utf-8"))
    ]
    return Corpus(
        plays=plays[:cut],
        sonnets=[sonnet for number, sonnet in enumerate(sonnets) if number % HELD_SONNETS],
        held_plays=[plays[at : at + LINES] for at in range(cut, len(plays) - LINES, LINES)],
        held_sonnets=sonnets[::HELD_SONNETS],
    )


def document(lines: Sequence[str], choice: random.Random | None = None) -> tuple[str, str]:
    """Return a document's heading, of words drawn from its lines by `choice`, and its text."""
    text = "\n".join(lines) + "\n"
    words = [] if choice is None else content_words(text)
    if choice is not None:
        words = choice.sample(words, min(choice.randint(0, MAX_WORDS), len(words)))
    return heading(words), text


def learn_pieces(lines: Iterable[str], count: int) -> list[str]:
    """Return `count` pieces: the characters, then the pairs that were joined most often.

    Source: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, 2016,
    section 3.2. A space belongs to the word behind it.
    """
    words = Counter(word for line in lines for word in re.findall(r" ?[A-Za-z']+|[^A-Za-z']", line))
    spelled = {word: list(word) for word in words}
    pieces = sorted(_LETTERS | {MARK})
    pairs: Counter[tuple[str, str]] = Counter()
    for word, parts in spelled.items():
        _count_pairs(pairs, parts, words[word])
    while len(pieces) < count:
        (first, second), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        pieces.append(first + second)
        for word, parts in spelled.items():
            if first + second in word:
                _count_pairs(pairs, parts, -words[word])
                _join(parts, first, second)
                _count_pairs(pairs, parts, words[word])
    return pieces


class Ngram:
    """Characters by the five before them, with back-off by the share of new ones.

    Source: Witten and Bell, The Zero-Frequency Problem, 1991, method C: of n characters seen after
    a context, of k kinds, the next is a new one with the probability k / (n + k).
    """

    def __init__(self, texts: Iterable[str], order: int = 5) -> None:
        """Count in `texts`."""
        self._order = order
        self._counts: list[dict[str, Counter[str]]] = [{} for _ in range(order + 1)]
        for text in texts:
            for place, character in enumerate(text):
                for length in range(min(order, place) + 1):
                    seen = self._counts[length].setdefault(text[place - length : place], Counter())
                    seen[character] += 1

    def loss(self, text: str, start: int) -> float:
        """Return the nats of the characters of `text` from `start` on, together."""
        return -sum(math.log(self._chance(text, place)) for place in range(start, len(text)))

    def _chance(self, text: str, place: int) -> float:
        chance = 1 / (len(_LETTERS) + 1)
        for length in range(min(self._order, place) + 1):
            seen = self._counts[length].get(text[place - length : place])
            if seen is not None:
                kinds = len(seen)
                chance = (seen[text[place]] + kinds * chance) / (seen.total() + kinds)
        return chance


def _count_pairs(pairs: Counter[tuple[str, str]], parts: list[str], times: int) -> None:
    for pair in pairwise(parts):
        pairs[pair] += times


def _join(parts: list[str], first: str, second: str) -> None:
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == first and parts[place + 1] == second:
            parts[place : place + 2] = [first + second]


def _sonnets(text: str) -> list[list[str]]:
    blocks = [[_clean(line) for line in block.splitlines()] for block in re.split(r"\n\s*\n", text)]
    found = [[line for line in block if len(line) >= _SHORTEST] for block in blocks]
    return [lines for lines in found if len(lines) == LINES]


def _clean(line: str) -> str:
    line = line.strip().replace("--", "-").replace("&", "and")
    kept = "".join(character for character in line if character in _LETTERS)
    # A heading of a speaker has its colon in front; lines of ours must not look like one.
    half = len(kept) // 2
    kept = (kept[:half].replace(":", ";") + kept[half:]).strip(" -")
    return re.sub(" +", " ", kept)
