"""The model that ships: what it is, and that it computes as the plain reference does."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from hive_inference.decoder.decoder import Decoder
from hive_inference.models import plain
from hive_inference.models.configuration import Configuration
from hive_inference.models.loading import DecoderModel, load_model
from hive_inference.models.registry import Registry
from hive_inference.reference.decoder import PlainDecoder
from hive_inference.safetensors import TensorFile
from hive_inference.tokenizer import PieceTokenizer
from hive_verse.heading import MARK
from hive_verse.shipped import MODEL, model_folder

MOST_BYTES: Final = 8_000_000
PACKAGE: Final = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(weights_cache: Path) -> DecoderModel:
    loaded = load_model(model_folder(), cache=weights_cache, slots=2, max_context=1024)
    assert isinstance(loaded, DecoderModel)
    return loaded


def test_it_has_the_layers_and_heads_of_the_first_one(model: DecoderModel):
    shape = model.decoder.shape
    assert (shape.layers, shape.heads, shape.kv_heads) == (4, 4, 4)
    assert shape.vocabulary == model.tokenizer.size


def test_it_is_small_and_in_half_precision():
    path = model_folder() / "model.safetensors"
    assert path.stat().st_size <= MOST_BYTES
    file = TensorFile(path)
    numbers = sum(int(np.prod(file.shape(name))) for name in file.names)
    assert 2 * numbers <= path.stat().st_size < 2 * numbers + 20_000


def test_it_is_found_by_its_name():
    assert Registry().find(MODEL) == model_folder()


def test_its_pieces_survive_any_line(model: DecoderModel):
    line = f"{MARK}love time\nShall I, or not? 'Tis so; all things pass: ay - and return!\n"
    assert isinstance(model.tokenizer, PieceTokenizer)
    tokens = model.tokenizer.encode(line)
    assert model.tokenizer.decode(tokens) == line
    assert len(tokens) < 0.6 * len(line)


def test_its_logits_are_those_of_the_plain_reference(model: DecoderModel):
    shape = model.decoder.shape
    said = Configuration(model_folder() / "config.json")
    file = TensorFile(model_folder() / "model.safetensors")
    assert plain.shape_of(said, max_context=1024) == shape
    reference = PlainDecoder({name: file.read(name) for name in file.names}, shape)
    tokens = model.tokenizer.encode(f"{MARK}moon\nThe silver moon remembers all the sea,\n")
    decoder: Decoder = model.decoder
    decoder.cache.clear(0)
    logits = decoder.prefill(0, np.array(tokens))
    assert np.abs(logits - reference.logits(tokens)[-1]).max() < 1e-4


def test_weights_words_and_schema_are_in_the_wheel(tmp_path: Path):
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(words, cwd=PACKAGE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {info.filename: info.file_size for info in archive.infolist()}
    shipped = model_folder() / "model.safetensors"
    assert held["hive_verse/model/model.safetensors"] == shipped.stat().st_size
    for name in ("model/config.json", "model/README.md", "cloud.sql", "lexicon.txt",
                 "first_lines.txt", "py.typed"):  # fmt: skip
        assert f"hive_verse/{name}" in held


def test_the_card_tells_the_losses_of_the_model_and_of_the_ngram():
    card = (model_folder() / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (plays|sonnets) \| ([\d.]+) \| ([\d.]+) \|$", card, re.MULTILINE)
    assert [name for name, _, _ in rows] == ["plays", "sonnets"]
    assert all(float(ours) < float(ngram) for _, ours, ngram in rows)
