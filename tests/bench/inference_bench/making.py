"""Folders of models with random weights, as users have them: normal, a deviation of 0.02."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hive_inference.decoder.folding import trained_shapes as decoder_tensors
from hive_inference.decoder.shape import DecoderShape
from hive_inference.safetensors import write_tensors
from inference_bench.shapes import ALPHABET, Shape

__all__ = ["decoder_shape", "make_folder"]

F32 = npt.NDArray[np.float32]


def make_folder(shape: Shape, folder: Path) -> None:
    """Write a model of characters."""
    folder.mkdir(parents=True)
    is_decoder = shape.kind == "decoder"
    sizes = decoder_tensors(decoder_shape(shape)) if is_decoder else _bert_tensors(shape)
    draw = np.random.default_rng(0)
    write_tensors(folder / "model.safetensors", {n: _drawn(draw, n, s) for n, s in sizes.items()})
    config = _decoder_config(shape) if is_decoder else _bert_config(shape)
    said = {**config, "alphabet": ALPHABET[: shape.vocabulary], "stand_in": ALPHABET[0]}
    (folder / "config.json").write_text(json.dumps(said), "utf-8")


def decoder_shape(shape: Shape) -> DecoderShape:
    """Return the sizes as the engine has them."""
    said = shape.as_json()
    names = ("vocabulary", "width", "layers", "heads", "feed_forward", "context")
    return DecoderShape(
        **{name: said[name] for name in names},
        kv_heads=shape.heads,
        head_width=shape.width // shape.heads,
    )


def _drawn(draw: np.random.Generator, name: str, size: tuple[int, ...]) -> F32:
    tensor = np.float32(0.02) * draw.standard_normal(size, dtype=np.float32)
    is_scale = name.endswith((".gamma", "LayerNorm.weight"))
    return 1 + tensor if is_scale else tensor


def _decoder_config(shape: Shape) -> Mapping[str, Any]:
    return {**shape.as_json(), "model_type": "hive-decoder"}


def _bert_config(shape: Shape) -> Mapping[str, Any]:
    return {
        "model_type": "bert",
        "hidden_act": "gelu",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "max_position_embeddings": shape.context,
    }


def _bert_tensors(shape: Shape) -> Mapping[str, tuple[int, ...]]:
    width, inner = shape.width, shape.feed_forward
    sizes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (shape.vocabulary, width),
        "embeddings.position_embeddings.weight": (shape.context, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for number in range(shape.layers):
        name = f"encoder.layer.{number}"
        linears = {
            **{f"attention.self.{part}": (width, width) for part in ("query", "key", "value")},
            "attention.output.dense": (width, width),
            "intermediate.dense": (inner, width),
            "output.dense": (width, inner),
        }
        for part, size in linears.items():
            sizes[f"{name}.{part}.weight"] = size
            sizes[f"{name}.{part}.bias"] = size[:1]
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            sizes[f"{name}.{part}.weight"] = sizes[f"{name}.{part}.bias"] = (width,)
    return sizes
