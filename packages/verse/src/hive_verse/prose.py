"""Prose: the model's lines run together, about what the cloud said last and not about the prompt.

What a text begins from is the last sentence of the newest one (7 times of 10), else the phrase that
resonates most (2 of 10), else any sentence of the cloud. The prompt only disturbs: its phrases are
counted, and so may be what a later text begins from.
"""

import random
import re
import secrets
from collections.abc import Sequence
from contextlib import aclosing
from typing import ClassVar, Final

from hive_inference.messages import End
from hive_verse.dissonance import ProseMeasure
from hive_verse.errors import UnfinishedVerseError
from hive_verse.formatting import Draft, Listener, SonnetFormatter
from hive_verse.harmonix import Harmonix, Kept
from hive_verse.heading import content_words, heading
from hive_verse.shipped import MODEL
from hive_verse.speaking import MAX_SEED, Chunks, Speaker
from hive_verse.wording import words

__all__ = ["AsyncProseHarmonix", "ProseGenerator", "is_prose", "sentences"]

_FEWEST_WORDS, _MOST_WORDS = 20, 1_000
_LEAST_VARIETY: Final = 0.4
_ATTEMPTS: Final = 5
_WARMER: Final = 0.1
"""By so much each further attempt: what is too sober goes round in circles."""

_FROM_LATEST, _FROM_RESONANCE = 0.7, 0.9

_LATEST = "select text from lines order by text_id desc, number desc limit 1"
_RESONANT = """
select first || ' ' || second || ' ' || third from trigrams where resonance > 0.5
order by resonance desc, count desc, first, second, third limit 1
"""
_COUNT_LINES = "select count(*) from lines"
_LINE_AT = "select text from lines order by text_id, number limit 1 offset ?"


class AsyncProseHarmonix(Harmonix):
    """The cloud of prose; its lines are sentences."""

    measure: ClassVar = ProseMeasure()
    counts_heard: ClassVar = True

    async def beginning(self, choice: random.Random) -> str:
        """Return what the next text begins from; nothing in an empty cloud."""
        drawn = choice.random()
        async with self.database.reading():
            if drawn < _FROM_LATEST:
                rows = await self.database.rows(_LATEST)
            elif drawn < _FROM_RESONANCE:
                rows = await self.database.rows(_RESONANT)
            else:
                ((count,),) = await self.database.rows(_COUNT_LINES)
                rows = await self.database.rows(_LINE_AT, choice.randrange(max(1, count)))
        return rows[0][0] if rows else ""


class ProseGenerator:
    """Writes prose. It has no state, and so no lock: its cloud has one."""

    def __init__(
        self,
        speaker: Speaker,
        harmonix: AsyncProseHarmonix,
        *,
        model: str = MODEL,
        max_tokens: int = 200,
    ) -> None:
        """Write with a model that `speaker` serves; a text has at most `max_tokens`."""
        self.harmonix = harmonix
        self._speaker = speaker
        self._model = model
        self._max_tokens = max_tokens

    async def generate(
        self,
        prompt: str,
        temperature: float | None = None,
        *,
        seed: int | None = None,
        listener: Listener | None = None,
        added_by: str = "",
    ) -> Kept:
        """Write prose, disturbed by `prompt`, and keep it in the cloud.

        Args:
            prompt: what is heard.
            temperature: as for a sonnet; None for what the latest exchange suggests (0.56 to 0.96).
                What is no prose is tried again warmer.
            seed: the same seed and temperature give the same text from the same cloud.
            listener: hears the sentences, once it is known that they are kept.
            added_by: who asked, for the cloud.

        Raises:
            UnfinishedVerseError: none of 5 texts was prose.
            InferenceError: as whoever serves the model says.
        """
        if temperature is None:
            temperature = await self.harmonix.next_temperature()
        seed = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
        choice = random.Random(seed)  # noqa: S311 - verse
        above = heading(content_words(await self.harmonix.beginning(choice)))
        for attempt in range(_ATTEMPTS):
            chunks = Chunks(
                speaker=self._speaker,
                temperature=temperature + attempt * _WARMER,
                seed=seed,
                model=self._model,
                max_tokens=self._max_tokens,
            )
            said = sentences(await self._lines(chunks, attempt, above))
            if is_prose(said):
                if listener is not None:
                    listener.hear("".join(f"{sentence}\n" for sentence in said))
                return await self.harmonix.receive(
                    prompt, said, temperature=chunks.temperature, seed=seed, added_by=added_by
                )
        raise UnfinishedVerseError(
            f"none of {_ATTEMPTS} texts from temperature {temperature:g} on was prose: from"
            f" {_FEWEST_WORDS} words on, of which {_LEAST_VARIETY:.0%} differ; try another seed"
        )

    async def _lines(self, chunks: Chunks, attempt: int, above: str) -> list[str]:
        draft = Draft(SonnetFormatter())
        async with aclosing(chunks.more(attempt, above)) as chunk:
            async for piece in chunk:
                if not isinstance(piece, End):
                    draft.push(piece)
        return draft.lines


def sentences(lines: Sequence[str]) -> list[str]:
    """Return lines of verse as sentences; what comes behind the last full stop is left out."""
    running = " ".join(
        line if number == 0 or lines[number - 1][-1:] in ".!?" else _continued(line)
        for number, line in enumerate(lines)
    )
    return [found.strip() for found in re.findall(r"[^.!?]*[A-Za-z][^.!?]*[.!?]+'?", running)]


def is_prose(said: list[str]) -> bool:
    """Return whether there are words enough, and enough different ones."""
    found = words(" ".join(said))
    variety = len(set(found)) / max(1, len(found))
    return _FEWEST_WORDS <= len(found) <= _MOST_WORDS and variety >= _LEAST_VARIETY


def _continued(line: str) -> str:
    """Return a line of verse as it stands within a sentence."""
    first, _, rest = line.partition(" ")
    if first.rstrip(",;:") in {"I", "I'll", "I'm", "O"} or not first.isalpha():
        return line
    return f"{first.lower()} {rest}".strip()
