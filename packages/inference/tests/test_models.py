"""Models as others publish them run here, and what is missing in them is named."""

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import decoders
import encoders
import numpy as np
import pytest
from folders import LETTERS, bert_folder, gpt2_folder, llama_folder, plain_folder, write_model

from hive_inference.arrays import F32
from hive_inference.decoder import decoder
from hive_inference.decoder.shape import DecoderShape
from hive_inference.encoder import encoder
from hive_inference.errors import UnknownModelError, WeightsError
from hive_inference.kernels.plans import find_plans
from hive_inference.models.loading import DecoderModel, EncoderModel, load_model
from hive_inference.models.registry import Registry
from hive_inference.reference.decoder import PlainDecoder
from hive_inference.reference.encoder import PlainEncoder
from hive_inference.safetensors import TensorFile

Written = tuple[Path, Mapping[str, F32]]


def load(folder: Path, cache: Path, *, max_context: int = 1024) -> DecoderModel | EncoderModel:
    return load_model(folder, cache=cache, slots=2, max_context=max_context)


def load_decoder(folder: Path, cache: Path, *, max_context: int = 1024) -> DecoderModel:
    model = load(folder, cache, max_context=max_context)
    assert isinstance(model, DecoderModel)
    return model


def without(folder: Path, **changed: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize(
    ("write", "shape", "ends"),
    [(gpt2_folder, decoders.GPT, (3,)), (llama_folder, decoders.LLAMA, (3, 4))],
)
def test_decoders_of_others_run(
    tmp_path: Path, write: Callable[[Path], Written], shape: DecoderShape, ends: tuple[int, ...]
):
    folder, ours = write(tmp_path / "theirs")
    model = load_decoder(folder, tmp_path / "cache")
    assert model.decoder.shape == shape
    assert model.end_tokens == ends
    tokens = model.tokenizer.encode("ABCDEFG")
    expected = PlainDecoder(ours, shape).logits(tokens)[-1]
    found = model.decoder.prefill(0, np.array(tokens))
    np.testing.assert_allclose(found, expected, atol=1e-3 * float(np.abs(expected).max()))


def test_encoders_of_others_run(tmp_path: Path):
    folder, ours = bert_folder(tmp_path / "theirs")
    model = load(folder, tmp_path / "cache")
    assert isinstance(model, EncoderModel)
    tokens = model.tokenizer.encode("ABCDEFG")
    expected = PlainEncoder(ours, encoders.BERT).encode(tokens)
    np.testing.assert_allclose(model.encoder.encode([tokens])[0], expected, atol=5e-4)


def test_our_own_decoders_run_and_a_shorter_context_is_a_shorter_one(tmp_path: Path):
    folder = plain_folder(tmp_path / "ours")
    long = load_decoder(folder, tmp_path / "cache").decoder
    short = load_decoder(folder, tmp_path / "cache", max_context=40).decoder
    assert (long.shape.context, short.shape.context) == (160, 40)
    tokens = np.arange(30)
    np.testing.assert_array_equal(long.prefill(0, tokens), short.prefill(0, tokens))


def test_what_is_folded_and_planned_once_is_kept(tmp_path: Path):
    folder, cache = plain_folder(tmp_path / "ours"), tmp_path / "cache"
    load(folder, cache)
    kept = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert sorted(path.suffix for path in kept) == [".json", ".safetensors"]
    load(folder, cache)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == kept


def test_plans_that_are_kept_are_those_that_were_made(tmp_path: Path):
    for same_bits in (True, False):
        find = partial(find_plans, rows=(1, 8), same_bits=same_bits, folder=tmp_path)
        assert find([(24, 40), (40, 24)]) == find([(40, 24), (24, 40)])
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("write", "sizes", "rows", "same_bits"),
    [
        (gpt2_folder, decoder.layer_sizes(decoders.GPT), decoder.ROWS, True),
        (bert_folder, encoder.layer_sizes(encoders.BERT), encoder.ROWS, False),
    ],
)
def test_decoders_alone_are_planned_so_that_bits_stay_the_same(
    tmp_path: Path,
    write: Callable[[Path], Written],
    sizes: set[tuple[int, int]],
    rows: tuple[int, ...],
    same_bits: bool,
):
    load(write(tmp_path / "theirs")[0], tmp_path / "cache")
    kept = sorted((tmp_path / "cache").iterdir())
    find_plans(sizes, rows=rows, same_bits=same_bits, folder=tmp_path / "cache")
    assert sorted((tmp_path / "cache").iterdir()) == kept


@pytest.mark.parametrize(
    ("write", "changed", "said"),
    [
        (gpt2_folder, {"n_embd": 36}, r"'wte\.weight' has the shape \(65, 32\), and \(65, 36\)"),
        (gpt2_folder, {"n_layer": 3}, r"has no tensor 'h\.2\.ln_1\.weight'"),
        (gpt2_folder, {"n_layer": None}, "does not say what n_layer is"),
        (gpt2_folder, {"n_layer": "2"}, "n_layer is '2', and a whole number is needed"),
        (gpt2_folder, {"activation_function": "relu"}, "'relu', which is not supported"),
        (gpt2_folder, {"model_type": "mamba"}, "model_type is 'mamba'; known here are gpt2, llama"),
        (gpt2_folder, {"alphabet": LETTERS}, "the tokenizer has 70 tokens, and the model 65"),
        (llama_folder, {"rope_scaling": {"factor": 8}}, "rope_scaling is .* not supported"),
        (llama_folder, {"rms_norm_eps": "tiny"}, "rms_norm_eps is 'tiny', and a number is needed"),
        (llama_folder, {"eos_token_id": ["x"]}, "eos_token_id is"),
        (bert_folder, {"intermediate_size": 95}, r"'encoder\.layer\.0\.intermediate\.dense"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, write: Callable[[Path], Written], changed: dict[str, Any], said: str
):
    folder, _ = write(tmp_path / "theirs")
    without(folder, **changed)
    with pytest.raises(WeightsError, match=said):
        load(folder, tmp_path / "cache")


def test_a_kind_of_norm_that_is_unknown_is_named(tmp_path: Path):
    folder = plain_folder(tmp_path / "ours")
    without(folder, norm="batch")
    with pytest.raises(WeightsError, match="'batch' is none of layer, root_mean_square"):
        load(folder, tmp_path / "cache")


@pytest.mark.parametrize("content", ["", "[]"])
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, content: str):
    folder = write_model(tmp_path / "m", {}, {})
    (folder / "config.json").write_text(content)
    with pytest.raises(WeightsError, match=r"config\.json"):
        load(folder, tmp_path / "cache")


def test_models_are_found_by_name_on_shelves_and_where_they_were_put(tmp_path: Path):
    bees = plain_folder(tmp_path / "shelf" / "bees")
    wasps = plain_folder(tmp_path / "elsewhere")
    registry = Registry({"wasps": wasps}, [tmp_path / "shelf"])
    assert {"bees", "wasps"} <= set(registry.names())
    assert registry.find("bees") == bees
    assert registry.find("wasps") == wasps
    for name in ("ants", "../elsewhere", ""):
        with pytest.raises(UnknownModelError, match=r"the models here are: bees, .*wasps"):
            registry.find(name)


def test_models_of_installed_packages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = plain_folder(tmp_path / "weights")
    package = tmp_path / "site" / "hornets-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: hornets\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[hive.models]\nhornets = hornets_weights:folder\n")
    source = f"from pathlib import Path\ndef folder():\n    return Path({str(folder)!r})\n"
    (tmp_path / "site" / "hornets_weights.py").write_text(source)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    assert "hornets" in Registry().names()
    assert Registry().find("hornets") == folder


def test_the_folded_file_is_float32_throughout(tmp_path: Path):
    load(plain_folder(tmp_path / "ours"), tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob("*.safetensors")
    folded = TensorFile(path)
    assert all(folded.read(name).dtype == np.float32 for name in folded.names)
