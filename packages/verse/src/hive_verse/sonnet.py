"""The sonnet: fourteen lines of the model, and the cloud that they enter.

    prompt ──▶ its words above the text ──▶ chunks of 200 tokens ──▶ lines that may stand
                                                 ▲──── until fourteen ────┘        │
                                                                     receive (one transaction)

A chunk goes on where the one before was cut off; one that ended goes on from its last lines. If
fourteen lines do not come, that is an error: no line is ever made up.
"""

import secrets
from contextlib import aclosing
from typing import ClassVar, Final

from hive_inference.messages import End
from hive_verse.dissonance import SonnetMeasure
from hive_verse.errors import UnfinishedVerseError
from hive_verse.formatting import LINES, Draft, Listener, SonnetFormatter
from hive_verse.harmonix import DEFAULT_QUALITY, Harmonix, Kept
from hive_verse.heading import content_words, heading
from hive_verse.shipped import MODEL
from hive_verse.speaking import CHUNK_TOKENS, MAX_SEED, Chunks, Speaker

__all__ = ["DEFAULT_TEMPERATURE", "AsyncSonnetGenerator", "AsyncSonnetHarmonix"]

DEFAULT_TEMPERATURE: Final = 0.8

_MAX_CHUNKS: Final = 24
"""A sonnet takes 2 chunks; what has not come after 12 does not come."""

_CARRIED_LINES: Final = 7
"""So many lines are half a sonnet, so that the model has something to go on with."""


class AsyncSonnetHarmonix(Harmonix):
    """The cloud of sonnets."""

    measure: ClassVar = SonnetMeasure()
    line_count: ClassVar = LINES

    async def add_sonnet(
        self,
        sonnet: str,
        *,
        quality: float = DEFAULT_QUALITY,
        temperature: float = DEFAULT_TEMPERATURE,
        heard: str = "",
        seed: int = 0,
        added_by: str = "",
    ) -> Kept:
        """Keep a sonnet that is there already.

        Raises:
            MalformedVerseError: it has not fourteen lines.
        """
        return await self.receive(
            heard, sonnet.split("\n"), temperature=temperature, seed=seed, quality=quality,
            added_by=added_by,
        )  # fmt: skip


class AsyncSonnetGenerator:
    """Writes sonnets, any number at once. It has no state, and so no lock: its cloud has one."""

    def __init__(
        self,
        speaker: Speaker,
        harmonix: AsyncSonnetHarmonix,
        *,
        model: str = MODEL,
        max_tokens: int = CHUNK_TOKENS,
    ) -> None:
        """Write with a model that `speaker` serves, `max_tokens` at a time."""
        self.harmonix = harmonix
        self._speaker = speaker
        self._model = model
        self._max_tokens = max_tokens
        self._formatter = SonnetFormatter()

    async def generate(
        self,
        prompt: str,
        temperature: float | None = DEFAULT_TEMPERATURE,
        *,
        seed: int | None = None,
        listener: Listener | None = None,
        added_by: str = "",
    ) -> Kept:
        """Write a sonnet about `prompt`, and keep it in the cloud.

        Args:
            prompt: what it is to be about; its first words of content count.
            temperature: from 0, where it repeats itself, to about 1.2, where words fall apart;
                None for 0.8 as well.
            seed: the same seed, prompt and temperature give the same text; None draws one.
            listener: hears the lines while they come.
            added_by: who asked, for the cloud.

        Raises:
            UnfinishedVerseError: fourteen lines did not come.
            InferenceError: as whoever serves the model says.
        """
        temperature = DEFAULT_TEMPERATURE if temperature is None else temperature
        seed = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
        chunks = Chunks(
            speaker=self._speaker,
            temperature=temperature,
            seed=seed,
            model=self._model,
            max_tokens=self._max_tokens,
        )
        lines = await self._write(prompt, chunks, listener)
        return await self.harmonix.receive(
            prompt, lines, temperature=temperature, seed=seed, added_by=added_by
        )

    async def _write(self, prompt: str, chunks: Chunks, listener: Listener | None) -> list[str]:
        above = heading(content_words(prompt))
        draft = Draft(self._formatter, listener)
        carried = ""
        for number in range(_MAX_CHUNKS):
            said_before = len(draft.lines)
            async with aclosing(chunks.more(number, above + carried)) as chunk:
                async for piece in chunk:
                    if not isinstance(piece, End):
                        carried += piece
                        draft.push(piece)
                    elif piece is not End.LENGTH:
                        draft.close_line()
                        carried = "".join(f"{line}\n" for line in draft.lines[-_CARRIED_LINES:])
                    if draft.is_full:
                        return draft.lines
            if len(draft.lines) == said_before:
                # It goes round in a circle, and what it said last leads nowhere else.
                draft.close_line()
                carried = ""
        raise UnfinishedVerseError(
            f"{len(draft.lines)} lines came in {_MAX_CHUNKS * self._max_tokens} tokens at"
            f" temperature {chunks.temperature:g}, and a sonnet has {LINES}; try another seed"
        )
