"""Which models there are: names, and the folders that hold them.

A model is a folder with `model.safetensors`, `config.json` and its tokenizer, as published models
are. A name is looked up, in this order, among

1. the folders that were named by whoever made the registry;
2. the folders below each of its shelves: `SHELF/NAME`;
3. installed packages, by entry points of the group `hive.models`: a name, and a function that
   returns the folder. A package of weights is an extra of whatever uses it.

Importing this needs no numpy.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from hive_inference.errors import UnknownModelError

__all__ = ["GROUP", "Registry"]

GROUP: Final = "hive.models"
"""The group of entry points."""

_MARK: Final = "config.json"


class Registry:
    """Names of models."""

    def __init__(
        self, named: Mapping[str, Path] | None = None, shelves: Sequence[Path] = ()
    ) -> None:
        """Know of named folders and of shelves, beside what is installed."""
        self._named = dict(named or {})
        self._shelves = tuple(shelves)

    def names(self) -> tuple[str, ...]:
        """Return every name that is known, sorted."""
        on_shelves = {path.parent.name for s in self._shelves for path in s.glob(f"*/{_MARK}")}
        installed = {entry.name for entry in entry_points(group=GROUP)}
        return tuple(sorted({*self._named, *on_shelves, *installed}))

    def find(self, name: str) -> Path:
        """Return the folder of a model.

        Raises:
            UnknownModelError: no model has this name.
        """
        if (folder := self._named.get(name)) is not None:
            return folder
        # A name is a name, and no way out of the shelf.
        if Path(name).name == name:
            for shelf in self._shelves:
                if (shelf / name / _MARK).is_file():
                    return shelf / name
        for entry in entry_points(group=GROUP, name=name):
            return Path(entry.load()())
        raise UnknownModelError(name, self.names())
