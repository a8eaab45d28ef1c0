"""Files of named tensors, in the safetensors format: read by mapping, written whole.

    8 bytes             length of the header, little-endian
    header              JSON: name -> {"dtype", "shape", "data_offsets": [begin, end]}
    the tensors         one after another, without gaps, row-major, little-endian

A file that is written here holds float32 alone, and each tensor begins on a cache line: where
needed, a tensor of bytes named `padding.N` fills the gap, since the format allows none.

Source: the format's description at huggingface.co/docs/safetensors.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hive_inference.arrays import ALIGNMENT_BYTES, F32
from hive_inference.errors import WeightsError

__all__ = ["PADDING", "TensorFile", "write_tensors"]

PADDING: Final = "padding."
"""How the names of tensors begin that only fill gaps."""

_LENGTH_BYTES: Final = 8
_MAX_HEADER_BYTES: Final = 100_000_000
"""The format's own limit."""

_DTYPES: Final = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]
    begin: int
    """In bytes, from the start of the file."""


class TensorFile:
    """A mapped file: only what is read comes into memory, once for all processes."""

    def __init__(self, path: Path) -> None:
        """Map `path`.

        Raises:
            WeightsError: there is no such file, or it is not of this format, or it is cut off.
        """
        self.path = path
        try:
            self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path} cannot be read: {error}") from error
        self._entries, self.metadata = self._read_header()

    @property
    def names(self) -> tuple[str, ...]:
        """What the file holds, padding left out."""
        return tuple(name for name in self._entries if not name.startswith(PADDING))

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape.

        Raises:
            WeightsError: the file has no such tensor.
        """
        return self._entry(name).shape

    def read(self, name: str) -> F32:
        """Return a tensor as float32: a view of the mapped file if it is stored so, else a copy.

        Raises:
            WeightsError: the file has no such tensor, or it is not of floating-point numbers.
        """
        entry = self._entry(name)
        stored = self._stored(entry)
        match entry.dtype:
            case "F32":
                return stored
            case "F16" | "F64":
                return stored.astype(np.float32)
            case "BF16":
                # bfloat16 is the upper half of a float32.
                return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
            case other:
                raise WeightsError(f"{self.path}: tensor {name!r} is of {other}, not of floats")

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise WeightsError(f"{self.path} has no tensor {name!r}")
        return entry

    def _stored(self, entry: _Entry) -> npt.NDArray[Any]:
        dtype = np.dtype(_DTYPES[entry.dtype])
        count = math.prod(entry.shape)
        # `frombuffer` gives a plain array, of which slices cost half of what a memmap's cost.
        array = np.frombuffer(self._bytes, dtype=dtype, count=count, offset=entry.begin)
        return array.reshape(entry.shape)

    def _read_header(self) -> tuple[dict[str, _Entry], dict[str, str]]:
        size = int.from_bytes(self._bytes[:_LENGTH_BYTES].tobytes(), "little")
        start = _LENGTH_BYTES + size
        if not 0 < size <= _MAX_HEADER_BYTES or start > len(self._bytes):
            raise WeightsError(f"{self.path} is not a safetensors file, or is cut off")
        try:
            header: dict[str, Any] = json.loads(self._bytes[_LENGTH_BYTES:start].tobytes())
            metadata = header.pop("__metadata__", {})
            entries = {name: self._read_entry(name, said, start) for name, said in header.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"the header of {self.path} makes no sense: {error!r}") from error
        return entries, metadata

    def _read_entry(self, name: str, said: dict[str, Any], start: int) -> _Entry:
        begin, end = said["data_offsets"]
        shape = tuple(int(length) for length in said["shape"])
        if said["dtype"] not in _DTYPES:
            raise WeightsError(f"{self.path}: tensor {name!r} is of {said['dtype']}, unknown here")
        needed = math.prod(shape) * np.dtype(_DTYPES[said["dtype"]]).itemsize
        if begin < 0 or end - begin != needed or start + end > len(self._bytes):
            raise WeightsError(f"{self.path}: tensor {name!r} is cut off or of another size")
        return _Entry(dtype=said["dtype"], shape=shape, begin=start + begin)


def write_tensors(
    path: Path, tensors: Mapping[str, F32], metadata: Mapping[str, str] | None = None
) -> None:
    """Write `tensors` to `path`, whole or not at all."""
    header, pieces = _lay_out(tensors)
    encoded = json.dumps({"__metadata__": dict(metadata or {}), **header}).encode()
    encoded += b" " * (-(_LENGTH_BYTES + len(encoded)) % ALIGNMENT_BYTES)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(len(encoded).to_bytes(_LENGTH_BYTES, "little"))
            file.write(encoded)
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _lay_out(tensors: Mapping[str, F32]) -> tuple[dict[str, Any], list[bytes | memoryview]]:
    header: dict[str, Any] = {}
    pieces: list[bytes | memoryview] = []
    position = 0
    for name, tensor in tensors.items():
        if gap := -position % ALIGNMENT_BYTES:
            header[f"{PADDING}{len(pieces)}"] = _described("U8", (gap,), position, gap)
            pieces.append(bytes(gap))
            position += gap
        data = np.ascontiguousarray(tensor, dtype=np.float32)
        header[name] = _described("F32", tensor.shape, position, data.nbytes)
        pieces.append(data.reshape(-1).view(np.uint8).data)
        position += data.nbytes
    return header, pieces


def _described(dtype: str, shape: tuple[int, ...], begin: int, size: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, begin + size]}
