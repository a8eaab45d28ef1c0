"""Small decoders with random weights, of every kind that there is."""

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st

from hive_inference.arrays import F32
from hive_inference.decoder.decoder import ROWS, Decoder, layer_sizes
from hive_inference.decoder.folding import fold, trained_shapes
from hive_inference.decoder.shape import Activation, DecoderShape, Norm, Positions
from hive_inference.kernels.linear import Plan, lay_out, tune
from hive_inference.weights import Weights

GPT = DecoderShape(
    vocabulary=65, width=32, layers=2, heads=4, kv_heads=4, head_width=8, feed_forward=128,
    context=160,
)  # fmt: skip
LLAMA = DecoderShape(
    vocabulary=70, width=32, layers=2, heads=4, kv_heads=2, head_width=16, feed_forward=48,
    context=160, positions=Positions.ROTARY, activation=Activation.GATED_SILU,
    norm=Norm.ROOT_MEAN_SQUARE, epsilon=1e-6,
)  # fmt: skip
ODD = DecoderShape(
    vocabulary=65, width=30, layers=2, heads=3, kv_heads=3, head_width=10, feed_forward=50,
    context=160,
)  # fmt: skip
"""Nothing is a multiple of anything."""

_plans: dict[tuple[int, int], Plan] = {}


def random_weights(shape: DecoderShape, seed: int = 0) -> Mapping[str, F32]:
    """Return trained weights as they might be; a Llama has no biases and no betas."""
    draw = np.random.default_rng(seed)
    is_bare = shape.norm is Norm.ROOT_MEAN_SQUARE
    weights: dict[str, F32] = {}
    for name, size in trained_shapes(shape).items():
        if is_bare and name.endswith((".bias", ".beta")):
            continue
        scale = np.float32(1.0 if len(size) == 1 else 1.5 / np.sqrt(size[0]))
        weights[name] = scale * draw.standard_normal(size, dtype=np.float32)
        if name.endswith(".gamma"):
            weights[name] = 1 + np.float32(0.3) * weights[name]
    weights["embedding"] = draw.standard_normal((shape.vocabulary, shape.width), dtype=np.float32)
    return weights


def make_decoder(
    shape: DecoderShape, trained: Mapping[str, F32] | None = None, *, slots: int = 4
) -> Decoder:
    folded = fold(Weights(trained or random_weights(shape), described="random"), shape)
    for size in layer_sizes(shape) - _plans.keys():
        _plans[size] = tune(*size, ROWS, same_bits=True)
    plans = {size: _plans[size] for size in layer_sizes(shape)}
    laid = Weights(lay_out(folded, plans), described="folded")
    return Decoder(laid, shape, slots=slots, plans=plans)


@st.composite
def shapes(draw: st.DrawFn) -> DecoderShape:
    kv_heads = draw(st.integers(1, 3))
    positions = draw(st.sampled_from(Positions))
    return DecoderShape(
        vocabulary=draw(st.integers(2, 80)),
        width=draw(st.integers(4, 48)),
        layers=draw(st.integers(1, 3)),
        heads=kv_heads * draw(st.integers(1, 3)),
        kv_heads=kv_heads,
        head_width=2 * draw(st.integers(1, 8)),
        feed_forward=draw(st.integers(4, 64)),
        context=draw(st.integers(8, 140)),
        positions=positions,
        activation=draw(st.sampled_from(Activation)),
        norm=draw(st.sampled_from(Norm)),
        epsilon=draw(st.sampled_from([1e-6, 1e-5])),
    )
