"""From a decoder's trained weights to those that it multiplies by.

Both are named as below, every matrix (inputs, outputs); the models of others are renamed to this
first (`hive_inference.models`).

    trained                                        folded
    embedding (V, E), positions (C, E)             the same, centred
    layers.I.norm1.gamma, .beta (E,)               gone into qkv
    layers.I.qkv.weight (E, (H+2G)D), .bias        queries over sqrt(D)
    layers.I.out.weight (HD, E), .bias             centred
    layers.I.norm2.gamma, .beta (E,)               gone into up
    layers.I.up.weight (E, F), .bias               with a gate (E, 2F): gate, then up
    layers.I.down.weight (F, E), .bias             centred
    final.gamma, .beta (E,)                        gone into head
    head.weight (E, V), .bias                      zeros behind, up to `head_outputs`

Biases, betas and positions may be missing. *Centred*: each row's mean over E is taken off. All
that is ever added to the residual stream is centred, so its mean stays 0, and a layer norm needs no
more than its root mean square. That root's factor sqrt(E) goes into the layer behind, with gamma
and beta:

    norm(x) W + b = (x / |x|) (sqrt(E) gamma W) + (beta W + b)
"""

from collections.abc import Mapping

import numpy as np

from hive_inference.arrays import F32, F64
from hive_inference.decoder.shape import DecoderShape, Norm, Positions
from hive_inference.weights import Weights

__all__ = ["fold", "trained_shapes"]


def trained_shapes(shape: DecoderShape) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the trained tensors, the optional ones among them."""
    width = shape.width
    shapes: dict[str, tuple[int, ...]] = {"embedding": (shape.vocabulary, width)}
    if shape.positions is Positions.LEARNED:
        shapes["positions"] = (shape.context, width)
    for layer in range(shape.layers):
        name = f"layers.{layer}"
        shapes |= _norm(f"{name}.norm1", width)
        shapes |= _linear(f"{name}.qkv", width, shape.fused_width)
        shapes |= _linear(f"{name}.out", shape.query_width, width)
        shapes |= _norm(f"{name}.norm2", width)
        shapes |= _linear(f"{name}.up", width, shape.up_width)
        shapes |= _linear(f"{name}.down", shape.feed_forward, width)
    return shapes | _norm("final", width) | _linear("head", width, shape.vocabulary)


def fold(trained: Weights, shape: DecoderShape) -> Mapping[str, F32]:
    """Return the folded tensors.

    Raises:
        WeightsError: a tensor is missing, has another shape, or holds a value that is not finite.
    """
    folder = _Folder(trained, shape)
    folded = folder.centred("embedding")
    if shape.positions is Positions.LEARNED:
        folded |= folder.centred("positions")
    for layer in range(shape.layers):
        name = f"layers.{layer}"
        folded |= folder.behind_norm(f"{name}.norm1", f"{name}.qkv", _query_scales(shape))
        folded |= folder.into_stream(f"{name}.out")
        folded |= folder.behind_norm(f"{name}.norm2", f"{name}.up", np.ones(shape.up_width))
        folded |= folder.into_stream(f"{name}.down")
    folded |= folder.behind_norm("final", "head", np.ones(shape.vocabulary))
    for name in {"head.weight", "head.bias"} & folded.keys():
        more = [(0, 0)] * (folded[name].ndim - 1) + [(0, shape.head_outputs - shape.vocabulary)]
        folded[name] = np.pad(folded[name], more)
    return folded


class _Folder:
    """Folds in float64, a layer at a time, and keeps float32."""

    def __init__(self, trained: Weights, shape: DecoderShape) -> None:
        self._trained = trained
        self._shape = shape
        self._shapes = trained_shapes(shape)

    def centred(self, name: str) -> dict[str, F32]:
        return {name: self._centred(self._wide(name)).astype(np.float32)}

    def behind_norm(self, norm: str, layer: str, scales: F64) -> dict[str, F32]:
        weight, bias = self._wide(f"{layer}.weight"), self._optional(f"{layer}.bias")
        if (beta := self._optional(f"{norm}.beta")) is not None:
            shift = beta @ weight
            bias = shift if bias is None else bias + shift
        gamma = self._wide(f"{norm}.gamma") * np.sqrt(self._shape.width)
        return _narrow(
            layer, gamma[:, None] * weight * scales, None if bias is None else bias * scales
        )

    def into_stream(self, layer: str) -> dict[str, F32]:
        bias = self._optional(f"{layer}.bias")
        weight = self._centred(self._wide(f"{layer}.weight"))
        return _narrow(layer, weight, None if bias is None else self._centred(bias))

    def _wide(self, name: str) -> F64:
        return self._trained.take_finite(name, *self._shapes[name]).astype(np.float64)

    def _centred(self, tensor: F64) -> F64:
        if self._shape.norm is Norm.ROOT_MEAN_SQUARE:
            return tensor
        return tensor - tensor.mean(axis=-1, keepdims=True)

    def _optional(self, name: str) -> F64 | None:
        return self._wide(name) if name in self._trained else None


def _narrow(layer: str, weight: F64, bias: F64 | None) -> dict[str, F32]:
    tensors = {f"{layer}.weight": weight.astype(np.float32)}
    return tensors if bias is None else tensors | {f"{layer}.bias": bias.astype(np.float32)}


def _query_scales(shape: DecoderShape) -> F64:
    scales = np.ones(shape.fused_width)
    scales[: shape.query_width] /= np.sqrt(shape.head_width)
    return scales


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.gamma": (width,), f"{name}.beta": (width,)}


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (inputs, outputs), f"{name}.bias": (outputs,)}
