"""From an encoder's trained weights to those that it multiplies by.

Both are named as below, every matrix (inputs, outputs).

    trained                                     folded
    embedding (V, E), kind (E,)                 embedding + kind; every text is of the first kind
    positions (C, E)                            the same
    entry.gamma, .beta (E,)                     gamma times sqrt(E)
    layers.I.qkv.weight (E, 3E), .bias          queries over sqrt(D)
    layers.I.out.weight (E, E), .bias           the same
    layers.I.norm1.gamma, .beta (E,)            gamma times sqrt(E)
    layers.I.up.weight (E, F), .bias            the same
    layers.I.down.weight (F, E), .bias          the same
    layers.I.norm2.gamma, .beta (E,)            gamma times sqrt(E)
"""

from collections.abc import Mapping

import numpy as np

from hive_inference.arrays import F32
from hive_inference.encoder.shape import EncoderShape
from hive_inference.weights import Weights

__all__ = ["fold", "trained_shapes"]


def trained_shapes(shape: EncoderShape) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the trained tensors."""
    width = shape.width
    shapes: dict[str, tuple[int, ...]] = {
        "embedding": (shape.vocabulary, width),
        "kind": (width,),
        "positions": (shape.context, width),
        **_norm("entry", width),
    }
    for layer in range(shape.layers):
        name = f"layers.{layer}"
        shapes |= _linear(f"{name}.qkv", width, 3 * width)
        shapes |= _linear(f"{name}.out", width, width)
        shapes |= _norm(f"{name}.norm1", width)
        shapes |= _linear(f"{name}.up", width, shape.feed_forward)
        shapes |= _linear(f"{name}.down", shape.feed_forward, width)
        shapes |= _norm(f"{name}.norm2", width)
    return shapes


def fold(trained: Weights, shape: EncoderShape) -> Mapping[str, F32]:
    """Return the folded tensors.

    Raises:
        WeightsError: a tensor is missing, has another shape, or holds a value that is not finite.
    """
    sizes = trained_shapes(shape)
    tensors = {name: trained.take_finite(name, *size) for name, size in sizes.items()}
    query_scales = np.ones(3 * shape.width, np.float32)
    query_scales[: shape.width] /= np.float32(np.sqrt(shape.head_width))
    folded = {"embedding": tensors.pop("embedding") + tensors.pop("kind")}
    for name, tensor in tensors.items():
        if name.endswith(".gamma"):
            folded[name] = tensor * np.float32(np.sqrt(shape.width))
        elif ".qkv." in name:
            folded[name] = tensor * query_scales
        else:
            folded[name] = tensor
    return folded


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.gamma": (width,), f"{name}.beta": (width,)}


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (inputs, outputs), f"{name}.bias": (outputs,)}
