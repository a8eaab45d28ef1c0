"""Which files a command has changed: its directory before and after, compared.

A file counts as changed if its size, its time of change or its number (inode) is another. Whatever
else works in the directory meanwhile is counted as well. Links are not followed, what may not be
read is passed over, and a directory of more than `MOST_FILES` is not compared: looking would take
longer than many a command.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

__all__ = ["Snapshot", "changes_since", "take_snapshot"]

MOST_FILES: Final = 100_000
MOST_NAMED: Final = 100

Snapshot: TypeAlias = Mapping[str, tuple[int, ...]]
"""By path from the directory: what would be another if the file was changed."""


def take_snapshot(folder: Path) -> Snapshot | None:
    """Return the files below `folder`; None if there are more than can be compared."""
    found: dict[str, tuple[int, ...]] = {}
    for path, status in _files(folder):
        if len(found) == MOST_FILES:
            return None
        found[path] = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    return found


def changes_since(before: Snapshot | None, folder: Path) -> dict[str, Any]:
    """Return how many files are new, changed and gone, and the names of the first of them."""
    after = None if before is None else take_snapshot(folder)
    if before is None or after is None:
        return {"files_changed_error": f"{folder} has more than {MOST_FILES:,} files"}
    new = sorted(after.keys() - before.keys())
    gone = sorted(before.keys() - after.keys())
    changed = sorted(path for path in after.keys() & before.keys() if after[path] != before[path])
    groups = {"new": new, "changed": changed, "gone": gone}
    counts = {name: len(paths) for name, paths in groups.items()}
    named = {name: paths[:MOST_NAMED] for name, paths in groups.items() if paths}
    return {"files_changed": counts, "files": named}


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    rest = [""]
    while rest:
        inner = rest.pop()
        try:
            with os.scandir(folder / inner) as entries:
                for entry in entries:
                    path = f"{inner}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        rest.append(f"{path}/")
                    else:
                        yield _text(path), entry.stat(follow_symlinks=False)
        except OSError:
            continue


def _text(path: str) -> str:
    # JSON holds no bytes that are no UTF-8.
    return path.encode(errors="surrogateescape").decode(errors="replace")
