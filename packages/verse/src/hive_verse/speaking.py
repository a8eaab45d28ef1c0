"""Texts of the model, chunk by chunk, from whoever serves it.

A host of `hive_inference` serves it, and so do a worker's models: whatever generates.
"""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from hive_inference.messages import End, Ended, Generate, Piece, Sampling
from hive_verse.heading import MARK
from hive_verse.shipped import MODEL

__all__ = ["CHUNK_TOKENS", "MAX_SEED", "Chunks", "Speaker"]

CHUNK_TOKENS: Final = 200
"""What is asked for at once: two thirds of a sonnet."""

MAX_SEED: Final = 2**64 - 1

_TOP_P: Final = 0.92
"""Without the least likely tenth, hardly a word is none; with less, texts grow alike."""


class Speaker(Protocol):
    """Something that serves models."""

    def generate(self, ask: Generate) -> AsyncGenerator[Piece | Ended]:
        """Yield a text piece by piece, and how it ended; closing the generator calls it off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """How to ask for one text."""

    speaker: Speaker
    temperature: float
    seed: int
    model: str = MODEL
    max_tokens: int = CHUNK_TOKENS

    async def more(self, number: int, prompt: str) -> AsyncGenerator[str | End]:
        """Yield what goes on from `prompt`, and how it ended; `number` says which chunk it is.

        Each chunk has a seed of its own, which follows from the text's.

        Raises:
            InferenceError: as whoever serves the model says.
        """
        sampling = Sampling(
            temperature=self.temperature, top_p=_TOP_P, seed=_derived(self.seed, number)
        )
        ask = Generate(
            model=self.model,
            prompt=prompt,
            max_tokens=self.max_tokens,
            sampling=sampling,
            stop=(MARK,),
        )
        async with aclosing(self.speaker.generate(ask)) as news:
            async for item in news:
                yield item.text if isinstance(item, Piece) else item.end


def _derived(seed: int, number: int) -> int:
    digest = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
