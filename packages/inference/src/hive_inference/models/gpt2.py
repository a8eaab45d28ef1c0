"""Decoders as GPT-2 names them: learned positions, layer norms, GELU.

Their matrices are (inputs, outputs).
"""

from collections.abc import Mapping

from hive_inference.arrays import F32
from hive_inference.decoder.shape import Activation, DecoderShape
from hive_inference.models.configuration import Configuration
from hive_inference.weights import Weights

__all__ = ["rename", "shape_of"]


def shape_of(said: Configuration, *, max_context: int) -> DecoderShape:
    """Return the sizes that a configuration tells, the context at most `max_context`.

    Raises:
        WeightsError: a size is missing, or something is asked for that is not here.
    """
    said.refuse("activation_function", "gelu_new", "gelu_pytorch_tanh", "gelu")
    said.refuse("scale_attn_weights", True)
    said.refuse("scale_attn_by_inverse_layer_idx", False)
    width, heads = said.integer("n_embd"), said.integer("n_head")
    is_exact = said.text("activation_function", "gelu_new") == "gelu"
    return DecoderShape(
        vocabulary=said.integer("vocab_size"),
        width=width,
        layers=said.integer("n_layer"),
        heads=heads,
        kv_heads=heads,
        head_width=width // heads,
        feed_forward=said.integer("n_inner", 4 * width),
        context=min(said.integer("n_positions"), max_context),
        activation=Activation.GELU_ERF if is_exact else Activation.GELU_TANH,
        epsilon=said.number("layer_norm_epsilon", 1e-5),
    )


def rename(weights: Weights, shape: DecoderShape) -> Mapping[str, F32]:
    """Return the tensors by the names of `decoder.folding`.

    Raises:
        WeightsError: a tensor is missing or has another shape.
    """
    root = "transformer." if "transformer.wte.weight" in weights else ""
    width, inner = shape.width, shape.feed_forward
    words = weights.take(f"{root}wte.weight", shape.vocabulary, width)
    places = f"{root}wpe.weight"
    named = {
        "embedding": words,
        "positions": weights.take(places, weights.shape(places)[0], width)[: shape.context],
        **_norm(weights, f"{root}ln_f", "final", width),
    }
    for layer in range(shape.layers):
        theirs, ours = f"{root}h.{layer}", f"layers.{layer}"
        named |= _norm(weights, f"{theirs}.ln_1", f"{ours}.norm1", width)
        named |= _linear(weights, f"{theirs}.attn.c_attn", f"{ours}.qkv", (width, 3 * width))
        named |= _linear(weights, f"{theirs}.attn.c_proj", f"{ours}.out", (width, width))
        named |= _norm(weights, f"{theirs}.ln_2", f"{ours}.norm2", width)
        named |= _linear(weights, f"{theirs}.mlp.c_fc", f"{ours}.up", (width, inner))
        named |= _linear(weights, f"{theirs}.mlp.c_proj", f"{ours}.down", (inner, width))
    is_tied = "lm_head.weight" not in weights
    head = words if is_tied else weights.take("lm_head.weight", shape.vocabulary, width)
    return named | {"head.weight": head.T}


def _norm(weights: Weights, theirs: str, ours: str, width: int) -> dict[str, F32]:
    return {
        f"{ours}.gamma": weights.take(f"{theirs}.weight", width),
        f"{ours}.beta": weights.take(f"{theirs}.bias", width),
    }


def _linear(weights: Weights, theirs: str, ours: str, size: tuple[int, int]) -> dict[str, F32]:
    return {
        f"{ours}.weight": weights.take(f"{theirs}.weight", *size),
        f"{ours}.bias": weights.take(f"{theirs}.bias", size[1]),
    }
