"""Small encoders with random weights."""

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st

from hive_inference.arrays import F32
from hive_inference.encoder.encoder import ROWS, Encoder, layer_sizes
from hive_inference.encoder.folding import fold, trained_shapes
from hive_inference.encoder.shape import EncoderShape
from hive_inference.kernels.linear import Plan, lay_out, tune
from hive_inference.weights import Weights

BERT = EncoderShape(vocabulary=70, width=24, layers=2, heads=3, feed_forward=96, context=40)

_plans: dict[tuple[int, int], Plan] = {}


def random_weights(shape: EncoderShape, seed: int = 0) -> Mapping[str, F32]:
    """Return trained weights as they might be."""
    draw = np.random.default_rng(seed)
    weights: dict[str, F32] = {}
    for name, size in trained_shapes(shape).items():
        scale = np.float32(0.3 if len(size) == 1 else 1.0 / np.sqrt(size[0]))
        tensor = scale * draw.standard_normal(size, dtype=np.float32)
        weights[name] = 1 + tensor if name.endswith(".gamma") else tensor
    weights["embedding"] = draw.standard_normal((shape.vocabulary, shape.width), dtype=np.float32)
    return weights


def make_encoder(
    shape: EncoderShape,
    trained: Mapping[str, F32] | None = None,
    *,
    max_tokens: int = 512,
    plan: Plan | None = None,
) -> Encoder:
    """Return an encoder whose layers all multiply as `plan` says, or as is best on this machine."""
    folded = fold(Weights(trained or random_weights(shape), described="random"), shape)
    plans = {size: plan or _best_plan(size) for size in layer_sizes(shape)}
    laid = Weights(lay_out(folded, plans), described="folded")
    return Encoder(laid, shape, max_tokens=max_tokens, plans=plans)


def _best_plan(size: tuple[int, int]) -> Plan:
    if size not in _plans:
        _plans[size] = tune(*size, ROWS, same_bits=False)
    return _plans[size]


@st.composite
def shapes(draw: st.DrawFn) -> EncoderShape:
    heads = draw(st.integers(1, 4))
    return EncoderShape(
        vocabulary=draw(st.integers(2, 80)),
        width=heads * draw(st.integers(4, 12)),
        layers=draw(st.integers(1, 3)),
        heads=heads,
        feed_forward=draw(st.integers(4, 64)),
        context=draw(st.integers(1, 60)),
    )
