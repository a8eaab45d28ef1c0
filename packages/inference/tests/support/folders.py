"""Folders of small models, as others publish them and as we keep our own."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import decoders
import encoders
import numpy as np

from hive_inference.arrays import F32
from hive_inference.decoder.shape import DecoderShape
from hive_inference.safetensors import write_tensors

LETTERS = "".join(chr(ord("0") + i) for i in range(70))


def write_model(folder: Path, tensors: Mapping[str, F32], config: Mapping[str, object]) -> Path:
    """Write a model of characters."""
    folder.mkdir(parents=True)
    write_tensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps({"stand_in": "0", **config}), "utf-8")
    return folder


def plain_folder(folder: Path, shape: DecoderShape = decoders.GPT) -> Path:
    """Write a decoder by our own names."""
    config = {
        **asdict(shape),
        "model_type": "hive-decoder",
        "alphabet": LETTERS[: shape.vocabulary],
    }
    return write_model(folder, decoders.random_weights(shape), config)


def gpt2_folder(folder: Path) -> tuple[Path, Mapping[str, F32]]:
    """Write a tied GPT-2; return its weights by our names too."""
    shape = decoders.GPT
    ours = {**decoders.random_weights(shape), "head.bias": np.zeros(shape.vocabulary, np.float32)}
    ours["head.weight"] = ours["embedding"].T
    theirs = {"wte.weight": ours["embedding"], "wpe.weight": ours["positions"]}
    theirs |= {"ln_f.weight": ours["final.gamma"], "ln_f.bias": ours["final.beta"]}
    for i in range(shape.layers):
        for our, their in (("norm1", "ln_1"), ("norm2", "ln_2")):
            theirs[f"h.{i}.{their}.weight"] = ours[f"layers.{i}.{our}.gamma"]
            theirs[f"h.{i}.{their}.bias"] = ours[f"layers.{i}.{our}.beta"]
        for our, their in (
            ("qkv", "attn.c_attn"), ("out", "attn.c_proj"), ("up", "mlp.c_fc"),
            ("down", "mlp.c_proj"),
        ):  # fmt: skip
            theirs[f"h.{i}.{their}.weight"] = ours[f"layers.{i}.{our}.weight"]
            theirs[f"h.{i}.{their}.bias"] = ours[f"layers.{i}.{our}.bias"]
    config = {
        "model_type": "gpt2", "vocab_size": shape.vocabulary, "n_embd": shape.width,
        "n_layer": shape.layers, "n_head": shape.heads, "n_positions": shape.context,
        "activation_function": "gelu_new", "eos_token_id": 3,
        "alphabet": LETTERS[: shape.vocabulary],
    }  # fmt: skip
    return write_model(folder, theirs, config), ours


def llama_folder(folder: Path) -> tuple[Path, Mapping[str, F32]]:
    """Write a Llama; return its weights by our names too."""
    shape = decoders.LLAMA
    ours = decoders.random_weights(shape)
    theirs = {
        "model.embed_tokens.weight": ours["embedding"],
        "lm_head.weight": ours["head.weight"].T,
    }
    theirs["model.norm.weight"] = ours["final.gamma"]
    queries, keys = shape.query_width, shape.kv_heads * shape.head_width
    for i in range(shape.layers):
        name = f"model.layers.{i}"
        theirs[f"{name}.input_layernorm.weight"] = ours[f"layers.{i}.norm1.gamma"]
        theirs[f"{name}.post_attention_layernorm.weight"] = ours[f"layers.{i}.norm2.gamma"]
        q, k, v = np.split(ours[f"layers.{i}.qkv.weight"], [queries, queries + keys], axis=1)
        gate, up = np.split(ours[f"layers.{i}.up.weight"], 2, axis=1)
        out, down = ours[f"layers.{i}.out.weight"], ours[f"layers.{i}.down.weight"]
        for part, tensor in (
            ("self_attn.q_proj", q), ("self_attn.k_proj", k), ("self_attn.v_proj", v),
            ("self_attn.o_proj", out), ("mlp.gate_proj", gate), ("mlp.up_proj", up),
            ("mlp.down_proj", down),
        ):  # fmt: skip
            theirs[f"{name}.{part}.weight"] = tensor.T
    config = {
        "model_type": "llama", "vocab_size": shape.vocabulary, "hidden_size": shape.width,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_width,
        "intermediate_size": shape.feed_forward, "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.epsilon, "rope_theta": shape.rotary_base, "hidden_act": "silu",
        "eos_token_id": [3, 4], "alphabet": LETTERS[: shape.vocabulary],
    }  # fmt: skip
    return write_model(folder, theirs, config), ours


def bert_folder(folder: Path) -> tuple[Path, Mapping[str, F32]]:
    """Write a BERT; return its weights by our names too."""
    shape = encoders.BERT
    ours = encoders.random_weights(shape)
    theirs = {
        "embeddings.word_embeddings.weight": ours["embedding"],
        "embeddings.position_embeddings.weight": ours["positions"],
        "embeddings.token_type_embeddings.weight": np.stack([ours["kind"], ours["kind"] + 9]),
        "embeddings.LayerNorm.weight": ours["entry.gamma"],
        "embeddings.LayerNorm.bias": ours["entry.beta"],
    }
    for i in range(shape.layers):
        our, their = f"layers.{i}", f"encoder.layer.{i}"
        q, k, v = np.split(ours[f"{our}.qkv.weight"], 3, axis=1)
        biases = np.split(ours[f"{our}.qkv.bias"], 3)
        for name, weight, bias in zip(("query", "key", "value"), (q, k, v), biases, strict=True):
            theirs[f"{their}.attention.self.{name}.weight"] = weight.T
            theirs[f"{their}.attention.self.{name}.bias"] = bias
        for part, name in (
            ("out", "attention.output.dense"), ("up", "intermediate.dense"),
            ("down", "output.dense"),
        ):  # fmt: skip
            theirs[f"{their}.{name}.weight"] = ours[f"{our}.{part}.weight"].T
            theirs[f"{their}.{name}.bias"] = ours[f"{our}.{part}.bias"]
        for part, name in (("norm1", "attention.output"), ("norm2", "output")):
            theirs[f"{their}.{name}.LayerNorm.weight"] = ours[f"{our}.{part}.gamma"]
            theirs[f"{their}.{name}.LayerNorm.bias"] = ours[f"{our}.{part}.beta"]
    config = {
        "model_type": "bert", "vocab_size": shape.vocabulary, "hidden_size": shape.width,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward, "max_position_embeddings": shape.context,
        "layer_norm_eps": shape.epsilon, "hidden_act": "gelu", "alphabet": LETTERS,
    }  # fmt: skip
    return write_model(folder, theirs, config), ours
