"""A model's weights: checked against what the model needs, folded once, mapped by every process.

Folding turns the tensors as they were trained into those that the engine multiplies by: scales and
shifts of norms go into the layer behind them, the three projections of attention become one, and so
on. It copies, so its result is kept in a file named by a digest of what went in, from which every
process maps the same pages. The file appears at once and whole; two processes that fold at the
same time write the same bytes, and either may win.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from hive_inference.arrays import F32
from hive_inference.errors import WeightsError
from hive_inference.safetensors import TensorFile, write_tensors

__all__ = ["Weights", "fold_once"]

_FORMAT: Final = "3"
"""Changes whenever folding changes what it writes, so that old files are not mapped."""


class Weights:
    """Tensors by name, each checked as it is taken."""

    def __init__(self, source: TensorFile | Mapping[str, F32], *, described: str = "") -> None:
        """Take tensors from a file or from a mapping, which errors call `described`."""
        self._source = source
        self._described = str(source.path) if isinstance(source, TensorFile) else described

    def __contains__(self, name: str) -> bool:
        """Return whether there is a tensor of this name."""
        return name in self.names

    @property
    def names(self) -> tuple[str, ...]:
        """What there is."""
        return self._source.names if isinstance(self._source, TensorFile) else tuple(self._source)

    def take(self, name: str, *shape: int) -> F32:
        """Return the tensor `name`, float32, of this shape.

        Raises:
            WeightsError: it is missing, or has another shape.
        """
        found = self.shape(name)
        if found != shape:
            raise WeightsError(
                f"{self._described}: tensor {name!r} has the shape {found}, and {shape} is needed"
            )
        if isinstance(self._source, TensorFile):
            return self._source.read(name)
        return np.asarray(self._source[name], dtype=np.float32)

    def take_finite(self, name: str, *shape: int) -> F32:
        """Return the tensor `name` as `take` does, having looked at every value.

        Raises:
            WeightsError: as `take`, or a value is infinite or not a number.
        """
        tensor = self.take(name, *shape)
        if not np.isfinite(tensor).all():
            raise WeightsError(
                f"{self._described}: tensor {name!r} holds a value that is not finite"
            )
        return tensor

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of the tensor `name`.

        Raises:
            WeightsError: it is missing.
        """
        if isinstance(self._source, TensorFile):
            return self._source.shape(name)
        if name not in self._source:
            raise WeightsError(f"{self._described} has no tensor {name!r}")
        return self._source[name].shape


def fold_once(
    source: TensorFile, fold: Callable[[Weights], Mapping[str, F32]], *, recipe: str, folder: Path
) -> Weights:
    """Return the folded weights of `source`, mapped; fold them first if no process ever has.

    Args:
        source: the weights as they were trained.
        fold: makes the folded tensors.
        recipe: names `fold` and all that it depends on beside the weights (the model's shape).
        folder: where folded files are kept; made if it is not there.

    Raises:
        WeightsError: `fold` found a tensor missing or of another shape.
    """
    path = folder / f"{_digest(source.path, recipe)}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(path, fold(Weights(source)), {"recipe": recipe})
    return Weights(TensorFile(path))


def _digest(path: Path, recipe: str) -> str:
    digest = hashlib.sha256(f"{_FORMAT}\n{recipe}\n".encode())
    with path.open("rb") as file:
        while piece := file.read(1024 * 1024):
            digest.update(piece)
    return digest.hexdigest()[:32]
