"""Decoders by our own names, those of `decoder.folding`: what is trained here is kept so.

`config.json` has the fields of `DecoderShape` by their names, `"model_type": "hive-decoder"`, and
for a model of characters its `alphabet`, for one of pieces of words a list of `pieces`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from hive_inference.arrays import F32
from hive_inference.decoder.folding import trained_shapes
from hive_inference.decoder.shape import Activation, DecoderShape, Norm, Positions
from hive_inference.errors import WeightsError
from hive_inference.models.configuration import Configuration
from hive_inference.weights import Weights

__all__ = ["rename", "shape_of"]

E = TypeVar("E", bound=StrEnum)


def shape_of(said: Configuration, *, max_context: int) -> DecoderShape:
    """Return the sizes that a configuration tells, the context at most `max_context`.

    Raises:
        WeightsError: a size is missing, or something is asked for that is not here.
    """
    width, heads = said.integer("width"), said.integer("heads")
    return DecoderShape(
        vocabulary=said.integer("vocabulary"),
        width=width,
        layers=said.integer("layers"),
        heads=heads,
        kv_heads=said.integer("kv_heads", heads),
        head_width=said.integer("head_width", width // heads),
        feed_forward=said.integer("feed_forward", 4 * width),
        context=min(said.integer("context"), max_context),
        positions=_one_of(Positions, said.text("positions", Positions.LEARNED)),
        activation=_one_of(Activation, said.text("activation", Activation.GELU_TANH)),
        norm=_one_of(Norm, said.text("norm", Norm.LAYER)),
        epsilon=said.number("epsilon", 1e-5),
        rotary_base=said.number("rotary_base", 10_000.0),
    )


def rename(weights: Weights, shape: DecoderShape) -> Mapping[str, F32]:
    """Return the tensors that there are; folding refuses what is missing or of another shape."""
    named = {
        name: weights.take(name, *weights.shape(name))
        for name in trained_shapes(shape)
        if name in weights
    }
    if "positions" in named:
        named["positions"] = named["positions"][: shape.context]
    return named


def _one_of(kinds: type[E], said: str) -> E:
    try:
        return kinds(said)
    except ValueError:
        known = ", ".join(kinds)
        raise WeightsError(f"{said!r} is none of {known}") from None
