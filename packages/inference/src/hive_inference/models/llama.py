"""Decoders as Llama names them: rotary positions, root mean square norms, a gated feed-forward.

Their matrices are (outputs, inputs) and have no biases.
"""

from collections.abc import Mapping

import numpy as np

from hive_inference.arrays import F32
from hive_inference.decoder.shape import Activation, DecoderShape, Norm, Positions
from hive_inference.models.configuration import Configuration
from hive_inference.weights import Weights

__all__ = ["rename", "shape_of"]


def shape_of(said: Configuration, *, max_context: int) -> DecoderShape:
    """Return the sizes that a configuration tells, the context at most `max_context`.

    Raises:
        WeightsError: a size is missing, or something is asked for that is not here.
    """
    said.refuse("hidden_act", "silu")
    said.refuse("rope_scaling")
    said.refuse("attention_bias", False)
    said.refuse("mlp_bias", False)
    width, heads = said.integer("hidden_size"), said.integer("num_attention_heads")
    return DecoderShape(
        vocabulary=said.integer("vocab_size"),
        width=width,
        layers=said.integer("num_hidden_layers"),
        heads=heads,
        kv_heads=said.integer("num_key_value_heads", heads),
        head_width=said.integer("head_dim", width // heads),
        feed_forward=said.integer("intermediate_size"),
        context=min(said.integer("max_position_embeddings", 2048), max_context),
        positions=Positions.ROTARY,
        activation=Activation.GATED_SILU,
        norm=Norm.ROOT_MEAN_SQUARE,
        epsilon=said.number("rms_norm_eps", 1e-6),
        rotary_base=said.number("rope_theta", 10_000.0),
    )


def rename(weights: Weights, shape: DecoderShape) -> Mapping[str, F32]:
    """Return the tensors by the names of `decoder.folding`.

    Raises:
        WeightsError: a tensor is missing or has another shape.
    """
    width, inner = shape.width, shape.feed_forward
    queries, keys = shape.query_width, shape.kv_heads * shape.head_width
    words = weights.take("model.embed_tokens.weight", shape.vocabulary, width)
    named = {"embedding": words, "final.gamma": weights.take("model.norm.weight", width)}
    for layer in range(shape.layers):
        theirs, ours = f"model.layers.{layer}", f"layers.{layer}"
        attention = f"{theirs}.self_attn"
        fused = [
            _turned(weights, f"{attention}.q_proj", width, queries),
            _turned(weights, f"{attention}.k_proj", width, keys),
            _turned(weights, f"{attention}.v_proj", width, keys),
        ]
        gated = [
            _turned(weights, f"{theirs}.mlp.gate_proj", width, inner),
            _turned(weights, f"{theirs}.mlp.up_proj", width, inner),
        ]
        norm1, norm2 = f"{theirs}.input_layernorm", f"{theirs}.post_attention_layernorm"
        named |= {
            f"{ours}.norm1.gamma": weights.take(f"{norm1}.weight", width),
            f"{ours}.norm2.gamma": weights.take(f"{norm2}.weight", width),
            f"{ours}.qkv.weight": np.concatenate(fused, axis=1),
            f"{ours}.up.weight": np.concatenate(gated, axis=1),
            f"{ours}.out.weight": _turned(weights, f"{attention}.o_proj", queries, width),
            f"{ours}.down.weight": _turned(weights, f"{theirs}.mlp.down_proj", inner, width),
        }
    is_tied = "lm_head.weight" not in weights
    head = words if is_tied else weights.take("lm_head.weight", shape.vocabulary, width)
    return named | {"head.weight": head.T}


def _turned(weights: Weights, name: str, inputs: int, outputs: int) -> F32:
    return weights.take(f"{name}.weight", outputs, inputs).T
