"""The executor `embed`: a vector for each of many texts, from any encoder that is installed.

    payload    {"model": "NAME", "texts": ["...", "..."], "form": "numbers"}
    result     {"vectors": [[0.1, ...], ...], "dimensions": 384, "tokens_in": 12}

Vectors have the length 1, so that their product says how alike two texts are. As `base64` a vector
takes a third of the room: float32, least byte first.
"""

import asyncio
import base64
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from hive_contracts.execution import Attempt
from hive_contracts.sizes import MAX_VALUE_BYTES
from hive_contracts.wire import encode_json
from hive_generation.executor import ModelExecutor
from hive_inference.errors import RequestError
from hive_inference.messages import Embed

__all__ = ["KIND", "EmbedExecutor", "EmbedPayload", "numbers_of"]

KIND: Final = "embed"

_FLOAT_BYTES: Final = 4
_MOST_BYTES: Final = MAX_VALUE_BYTES - 100
"""Of all vectors: what stands beside them in the result takes some of its room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedPayload:
    """Some texts."""

    model: str
    texts: list[str]
    form: Literal["numbers", "base64"] = "numbers"
    """How a vector is written into the result."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, before it is queued.

        Raises:
            ValueError: there is no text.
        """
        if not self.texts:
            raise ValueError("texts is empty; there is nothing to embed")


class EmbedExecutor(ModelExecutor[EmbedPayload]):
    """Embeds texts."""

    kind: ClassVar[str] = KIND
    payload_type: ClassVar[type] = EmbedPayload

    async def work(self, payload: EmbedPayload, attempt: Attempt) -> object:
        """Return the vectors, and what they took."""
        request = Embed(model=payload.model, texts=tuple(payload.texts))
        vectors, ended = await self.models.embed(request, heard=attempt.show_life)
        return {
            "vectors": await _written(vectors, payload.form),
            "dimensions": len(vectors[0]) // _FLOAT_BYTES,
            "tokens_in": ended.tokens_in,
        }


def numbers_of(vector: bytes) -> list[float]:
    """Return the numbers of a vector, with the nine digits that tell a float32 from any other."""
    return [float(f"{number:.9g}") for number in array("f", vector)]


async def _written(vectors: Sequence[bytes], form: str) -> list[list[float] | str]:
    """Return the vectors as they go into the result.

    Raises:
        RequestError: they are too many for one.
    """
    write = _as_base64 if form == "base64" else numbers_of
    written: list[list[float] | str] = []
    size_bytes = 0
    for vector in vectors:
        written.append(write(vector))
        size_bytes += len(encode_json(written[-1])) + 1
        # Numbers take a tenth of a millisecond a vector; other tasks have the loop in between.
        await asyncio.sleep(0)
    if size_bytes > _MOST_BYTES:
        fitting = len(vectors) * _MOST_BYTES // size_bytes
        raise RequestError(
            f"{len(vectors):,} vectors as {form} are {size_bytes:,} bytes, and {_MOST_BYTES:,} at"
            f" most are kept; give each task about {fitting:,} texts"
        )
    return written


def _as_base64(vector: bytes) -> str:
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers).decode()
