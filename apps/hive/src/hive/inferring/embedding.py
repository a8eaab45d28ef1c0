"""Embed texts on this machine, and print their vectors in the order of the texts."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import islice
from typing import Final

from hive.inferring.local_models import open_local_models, told_as_hives
from hive.printing import as_json, show
from hive_contracts.errors import ConfigurationError
from hive_generation.embed import numbers_of
from hive_generation.models import Models
from hive_generation.settings import InferenceSettings
from hive_inference.messages import Embed, Ended

__all__ = ["embed_here"]

_TEXTS_AT_ONCE: Final = 64
"""A process has enough with them, and the first vectors come soon."""


async def embed_here(
    settings: InferenceSettings, model: str, texts: Iterable[str], *, as_document: bool
) -> None:
    """Print a vector a line, or what a task of kind `embed` would have as its result.

    Raises:
        ConfigurationError: there is no text, no such model is here, or it cannot do this.
        ServiceUnavailableError: its process died.
    """
    vectors: list[list[float]] = []
    tokens_in = count = 0
    async with open_local_models(settings, model) as models:
        async for found, ended in _embedded(models, model, texts, at_once=settings.children or 1):
            tokens_in += ended.tokens_in
            count += len(found)
            for vector in found:
                if as_document:
                    vectors.append(numbers_of(vector))
                else:
                    show(as_json(numbers_of(vector)))
    if not count:
        raise ConfigurationError("there is no text: name one, or give lines on standard input")
    if as_document:
        dimensions = len(vectors[0])
        result = {"vectors": vectors, "dimensions": dimensions, "tokens_in": tokens_in}
        show(as_json(result))


async def _embedded(
    models: Models, model: str, texts: Iterable[str], *, at_once: int
) -> AsyncGenerator[tuple[Sequence[bytes], Ended]]:
    """Yield vectors in the order of the texts; several processes work side by side."""
    left = iter(texts)
    while batches := [b for _ in range(at_once) if (b := tuple(islice(left, _TEXTS_AT_ONCE)))]:
        requests = [Embed(model=model, texts=batch) for batch in batches]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_embed(models, request)) for request in requests]
        for task in tasks:
            yield task.result()


async def _embed(models: Models, request: Embed) -> tuple[Sequence[bytes], Ended]:
    with told_as_hives():
        return await models.embed(request)
