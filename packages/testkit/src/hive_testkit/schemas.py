"""Schemas of other Hives: of tomorrow's, made by a migration that nobody has written, and older."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from hive_store.migrating import LATEST

__all__ = ["TOMORROW", "migrations_of_tomorrow", "migrations_of_yesterday"]

TOMORROW = LATEST + 1
"""Number of the schema that `migrations_of_tomorrow` lead to."""

SCRIPT = "create table hive.novelty (id integer primary key);\n"


def migrations_of_tomorrow(folder: Path, *, compatible_from: int | None = None) -> Path:
    """Return a folder, made in `folder`, of Hive's migrations and one that comes after them.

    Args:
        folder: where to make it.
        compatible_from: what the last one declares; None if it declares nothing.
    """
    made = _copied(folder / "tomorrow")
    declaration = "" if compatible_from is None else f"-- compatible_from: {compatible_from}\n"
    (made / f"{TOMORROW:04}_novelty.sql").write_text(f"-- A novelty.\n{declaration}{SCRIPT}")
    return made


def migrations_of_yesterday(folder: Path) -> Path:
    """Return a folder, made in `folder`, of Hive's migrations without the last one."""
    made = _copied(folder / "yesterday")
    max(made.glob("*.sql")).unlink()
    return made


def _copied(target: Path) -> Path:
    with as_file(files("hive_store").joinpath("migrations")) as own:
        shutil.copytree(own, target)
    return target
