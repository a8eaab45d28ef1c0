"""The observer: has all three speak at once, and keeps one sentence of it.

    INHALE    haiku ─┐
              sonnet ─┼─ at the same time, each into its own cloud
              prose ─┘
    EXHALE    the words of all three ──▶ a sentence of 3 to 5 of them, kept with
              resonance (how near all were) and entropy (how rich): one transaction

Since they speak at the same time, none hears the others. What each says is kept by its own cloud
when it is said; if one of them fails, the others' texts stay, and there is no EXHALE.
"""

import asyncio
import random
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hive_verse.database import Database
from hive_verse.haiku import HaikuGenerator
from hive_verse.harmonix import Kept
from hive_verse.heading import content_words
from hive_verse.prose import ProseGenerator
from hive_verse.sonnet import AsyncSonnetGenerator
from hive_verse.speaking import MAX_SEED

__all__ = ["AsyncMetaHarmonix", "Cascade", "CascadeStats"]

_SHORTEST, _LONGEST = 3, 5

_ADD = """
insert into cascades (prompt, sentence, resonance, entropy, field_words, seed)
values (?, ?, ?, ?, ?, ?)
"""
_STATS = "select count(*), coalesce(avg(resonance), 0), coalesce(avg(entropy), 0) from cascades"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """What came of a prompt."""

    id: int
    haiku: Kept
    sonnet: Kept
    prose: Kept
    sentence: str
    resonance: float
    """The mean of 1 - dissonance, from 0 to 1."""

    entropy: float
    """The mean of the pulses' entropy, from 0 to 1."""

    field_words: int
    """Different words that say something, in all three together."""

    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeStats:
    """What the observer has kept."""

    count: int
    average_resonance: float
    average_entropy: float


class AsyncMetaHarmonix:
    """The observer and its cloud. Use it as a context."""

    def __init__(
        self,
        path: Path,
        *,
        haiku: HaikuGenerator,
        sonnet: AsyncSonnetGenerator,
        prose: ProseGenerator,
    ) -> None:
        """Name the file of its cloud, and who speaks."""
        self.database = Database(path)
        self._haiku = haiku
        self._sonnet = sonnet
        self._prose = prose

    async def __aenter__(self) -> Self:
        """Open the cloud."""
        await self.database.__aenter__()
        return self

    async def __aexit__(self, *reason: object) -> None:
        """Close it."""
        await self.database.__aexit__(*reason)

    async def cascade(self, prompt: str, *, seed: int | None = None, added_by: str = "") -> Cascade:
        """Have all speak to `prompt`, each at the temperature that its latest exchange suggests.

        Args:
            prompt: what all hear.
            seed: the same seed and prompt give the same from the same clouds; None draws one.
            added_by: who asked, for the clouds.

        Raises:
            UnfinishedVerseError: one of them did not come to an end.
            InferenceError: as whoever serves the model says.
        """
        seed = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
        try:
            haiku, sonnet, prose = await self._inhale(prompt, seed, added_by)
        except ExceptionGroup as group:
            # The others were called off for the first who failed.
            raise group.exceptions[0] from None
        return await self._exhale(prompt, haiku, sonnet, prose, seed)

    async def stats(self) -> CascadeStats:
        """Return what has been kept."""
        async with self.database.reading():
            ((count, resonance, entropy),) = await self.database.rows(_STATS)
        return CascadeStats(count=count, average_resonance=resonance, average_entropy=entropy)

    async def _inhale(self, prompt: str, seed: int, added_by: str) -> tuple[Kept, Kept, Kept]:
        temperature = await self._sonnet.harmonix.next_temperature()
        async with asyncio.TaskGroup() as group:
            haiku = group.create_task(self._haiku.generate(prompt, seed=seed, added_by=added_by))
            sonnet = group.create_task(
                self._sonnet.generate(prompt, temperature, seed=seed, added_by=added_by)
            )
            prose = group.create_task(self._prose.generate(prompt, seed=seed, added_by=added_by))
        return haiku.result(), sonnet.result(), prose.result()

    async def _exhale(
        self, prompt: str, haiku: Kept, sonnet: Kept, prose: Kept, seed: int
    ) -> Cascade:
        texts = (haiku, sonnet, prose)
        field = sorted({word for kept in texts for word in content_words(kept.text)})
        choice = random.Random(seed)  # noqa: S311 - verse
        count = min(len(field), choice.randint(_SHORTEST, _LONGEST))
        sentence = " ".join(choice.sample(field, count)).capitalize() + "."
        resonance = sum(1.0 - kept.dissonance.value for kept in texts) / len(texts)
        entropy = sum(kept.dissonance.pulse.entropy for kept in texts) / len(texts)
        async with self.database.transaction():
            number = await self.database.write(
                _ADD, prompt, sentence, resonance, entropy, len(field), str(seed)
            )
        return Cascade(
            id=number,
            haiku=haiku,
            sonnet=sonnet,
            prose=prose,
            sentence=sentence,
            resonance=resonance,
            entropy=entropy,
            field_words=len(field),
            seed=seed,
        )
