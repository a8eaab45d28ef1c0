"""Weights are what was written, or are refused by name."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_inference.arrays import F32
from hive_inference.errors import WeightsError
from hive_inference.safetensors import TensorFile, write_tensors
from hive_inference.weights import Weights, fold_once


def write_raw(path: Path, header: object, data: bytes = b"") -> Path:
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)
    return path


@given(
    shapes=st.lists(st.lists(st.integers(0, 7), max_size=3), max_size=6), seed=st.integers(0, 99)
)
def test_what_is_written_is_read_mapped_and_aligned(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[list[int]], seed: int
):
    draw = np.random.default_rng(seed)
    tensors = {f"t{i}": draw.random(s, dtype=np.float32) for i, s in enumerate(shapes)}
    path = tmp_path_factory.mktemp("weights") / "some.safetensors"
    write_tensors(path, tensors, {"recipe": "none"})
    file = TensorFile(path)
    assert file.names == tuple(tensors)
    assert file.metadata == {"recipe": "none"}
    for name, tensor in tensors.items():
        found = file.read(name)
        np.testing.assert_array_equal(found, tensor)
        assert not found.flags.writeable
        assert found.size == 0 or found.ctypes.data % 64 == 0
    assert list(path.parent.iterdir()) == [path]


def test_other_precisions_are_widened(tmp_path: Path):
    half = np.array([1.5, -2.0, 65504.0], np.float16)
    brain = (np.array([1.5, -2.0, 3e38], np.float32).view(np.uint32) >> 16).astype(np.uint16)
    double = np.array([1.0, 2.0])
    data = half.tobytes() + brain.tobytes() + double.tobytes()
    header = {
        "half": {"dtype": "F16", "shape": [3], "data_offsets": [0, 6]},
        "brain": {"dtype": "BF16", "shape": [3], "data_offsets": [6, 12]},
        "double": {"dtype": "F64", "shape": [2], "data_offsets": [12, 28]},
    }
    file = TensorFile(write_raw(tmp_path / "raw", header, data))
    np.testing.assert_array_equal(file.read("half"), half.astype(np.float32))
    np.testing.assert_allclose(file.read("brain"), [1.5, -2.0, 3e38], rtol=0.01)
    np.testing.assert_array_equal(file.read("double"), [1.0, 2.0])


def test_a_wrong_shape_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "w"
    write_tensors(path, {"wte.weight": np.zeros((3, 4), np.float32)})
    weights = Weights(TensorFile(path))
    said = r"w: tensor 'wte.weight' has the shape \(3, 4\), and \(4, 3\) is needed"
    with pytest.raises(WeightsError, match=said):
        weights.take("wte.weight", 4, 3)
    with pytest.raises(WeightsError, match=r"has no tensor 'wpe\.weight'"):
        weights.take("wpe.weight", 4, 3)


def test_values_that_are_not_finite_are_refused_by_name():
    weights = Weights({"w": np.array([1.0, np.nan], np.float32)}, described="these")
    with pytest.raises(WeightsError, match="these: tensor 'w' holds a value that is not finite"):
        weights.take_finite("w", 2)


@pytest.mark.parametrize(
    ("header", "data", "said"),
    [
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234", "cut off"),
        (
            {"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}},
            b"12345678",
            "of another",
        ),
        ({"w": {"dtype": "F4", "shape": [2], "data_offsets": [0, 8]}}, b"12345678", "'w' is of F4"),
        ({"w": {"dtype": "F32"}}, b"", "makes no sense"),
        (["w"], b"", "makes no sense"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, header: object, data: bytes, said: str):
    with pytest.raises(WeightsError, match=said):
        TensorFile(write_raw(tmp_path / "raw", header, data))


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64, struct.pack("<Q", 99) + b"{}"])
def test_what_is_no_file_of_tensors_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "noise"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="noise"):
        TensorFile(path)


def test_a_tensor_of_whole_numbers_is_no_weight(tmp_path: Path):
    header = {"ids": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}
    file = TensorFile(write_raw(tmp_path / "raw", header, bytes(8)))
    with pytest.raises(WeightsError, match="'ids' is of I64, not of floats"):
        file.read("ids")


def test_weights_are_folded_once_and_again_for_another_recipe(tmp_path: Path):
    source = tmp_path / "source"
    write_tensors(source, {"w": np.ones((2, 2), np.float32)})
    folds: list[str] = []

    def double(weights: Weights) -> Mapping[str, F32]:
        folds.append("double")
        return {"doubled": 2 * weights.take("w", 2, 2)}

    for recipe in ("double", "double", "other"):
        folded = fold_once(TensorFile(source), double, recipe=recipe, folder=tmp_path / "cache")
        np.testing.assert_array_equal(folded.take("doubled", 2, 2), np.full((2, 2), 2.0))
    assert len(folds) == 2
    write_tensors(source, {"w": np.zeros((2, 2), np.float32)})
    folded = fold_once(TensorFile(source), double, recipe="double", folder=tmp_path / "cache")
    assert folded.take("doubled", 2, 2).sum() == 0
