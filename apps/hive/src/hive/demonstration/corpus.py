"""What the demonstration works on: the standard library of this Python, and files that are broken.

Nothing is fetched and nothing is made up: these files are on every machine that runs Hive. The
order is the same every time.
"""

import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["BROKEN", "standard_library", "write_broken_files"]

SKIPPED_FOLDERS: Final = frozenset(
    {
        "__pycache__",
        "_bundled",
        "dist-packages",
        "idlelib",
        "idle_test",
        "site-packages",
        "test",
        "tests",
        "turtledemo",
    }
)
LARGEST_BYTES: Final = 200_000
"""Larger files are tables of data; one takes as long as a hundred others."""

BROKEN: Final = {
    "not_python.py": b"def answer(:\n    return 42\n",
    "no_such_encoding.py": b"# -*- coding: klingon-8 -*-\nanswer = 42\n",
    "nul_byte.py": b"answer = 4\x002\n",
    "unterminated_text.py": b'answer = """forty-two\n',
}
"""By name, files that no Python compiles."""


def standard_library(most: int | None = None) -> list[str]:
    """Return modules of this Python's standard library, `most` of them, spread evenly."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = sorted(str(path) for path in _modules(root))
    if most is None or most >= len(paths):
        return paths
    return [paths[number * len(paths) // most] for number in range(most)]


def write_broken_files(folder: Path) -> list[str]:
    """Write the broken files into `folder`, which is made; return their paths."""
    folder.mkdir()
    for name, text in BROKEN.items():
        (folder / name).write_bytes(text)
    return [str(folder / name) for name in BROKEN]


def _modules(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in SKIPPED_FOLDERS and not path.is_symlink():
                yield from _modules(path)
        elif path.suffix == ".py" and path.stat().st_size <= LARGEST_BYTES:
            yield path
