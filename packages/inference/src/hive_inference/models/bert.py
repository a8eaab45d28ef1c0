"""Encoders as BERT names them; matrices are (outputs, inputs)."""

from collections.abc import Mapping

import numpy as np

from hive_inference.arrays import F32
from hive_inference.encoder.shape import EncoderShape
from hive_inference.models.configuration import Configuration
from hive_inference.weights import Weights

__all__ = ["rename", "shape_of"]


def shape_of(said: Configuration, *, max_context: int) -> EncoderShape:
    """Return the sizes that a configuration tells, the context at most `max_context`.

    Raises:
        WeightsError: a size is missing, or something is asked for that is not here.
    """
    said.refuse("hidden_act", "gelu")
    said.refuse("position_embedding_type", "absolute")
    return EncoderShape(
        vocabulary=said.integer("vocab_size"),
        width=said.integer("hidden_size"),
        layers=said.integer("num_hidden_layers"),
        heads=said.integer("num_attention_heads"),
        feed_forward=said.integer("intermediate_size"),
        context=min(said.integer("max_position_embeddings"), max_context),
        epsilon=said.number("layer_norm_eps", 1e-12),
    )


def rename(weights: Weights, shape: EncoderShape) -> Mapping[str, F32]:
    """Return the tensors by the names of `encoder.folding`.

    Raises:
        WeightsError: a tensor is missing or has another shape.
    """
    root = "bert." if "bert.embeddings.word_embeddings.weight" in weights else ""
    entry, width = f"{root}embeddings", shape.width
    places, kinds = f"{entry}.position_embeddings.weight", f"{entry}.token_type_embeddings.weight"
    named = {
        "embedding": weights.take(f"{entry}.word_embeddings.weight", shape.vocabulary, width),
        "positions": weights.take(places, weights.shape(places)[0], width)[: shape.context],
        "kind": weights.take(kinds, weights.shape(kinds)[0], width)[0],
        **_norm(weights, f"{entry}.LayerNorm", "entry", width),
    }
    for layer in range(shape.layers):
        theirs, ours = f"{root}encoder.layer.{layer}", f"layers.{layer}"
        attention = f"{theirs}.attention"
        inner, outer = (width, shape.feed_forward), (shape.feed_forward, width)
        fused = [
            _linear(weights, f"{attention}.self.{name}", name, (width, width))
            for name in ("query", "key", "value")
        ]
        for part, axis in (("weight", 1), ("bias", 0)):
            parts = [tensor for one in fused for name, tensor in one.items() if part in name]
            named[f"{ours}.qkv.{part}"] = np.concatenate(parts, axis=axis)
        named |= _linear(weights, f"{attention}.output.dense", f"{ours}.out", (width, width))
        named |= _norm(weights, f"{attention}.output.LayerNorm", f"{ours}.norm1", width)
        named |= _linear(weights, f"{theirs}.intermediate.dense", f"{ours}.up", inner)
        named |= _linear(weights, f"{theirs}.output.dense", f"{ours}.down", outer)
        named |= _norm(weights, f"{theirs}.output.LayerNorm", f"{ours}.norm2", width)
    return named


def _norm(weights: Weights, theirs: str, ours: str, width: int) -> dict[str, F32]:
    return {
        f"{ours}.gamma": weights.take(f"{theirs}.weight", width),
        f"{ours}.beta": weights.take(f"{theirs}.bias", width),
    }


def _linear(weights: Weights, theirs: str, ours: str, size: tuple[int, int]) -> dict[str, F32]:
    inputs, outputs = size
    return {
        f"{ours}.weight": weights.take(f"{theirs}.weight", outputs, inputs).T,
        f"{ours}.bias": weights.take(f"{theirs}.bias", outputs),
    }
