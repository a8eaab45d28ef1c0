"""Backup and restore as the command line does them: where, how far, and what came of it."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hive.borrowing import database_to_fill, database_to_save
from hive.panel import Panel
from hive.private_files import refuse_what_is_no_file
from hive.running import run_main
from hive.settings import Settings
from hive_contracts.errors import ConfigurationError
from hive_store.archive import open_backup
from hive_store.backing_up import CopyProgress, back_up
from hive_store.manifest import Manifest
from hive_store.restoring import Restored, restore

__all__ = ["fill_database", "row_count", "save_database"]

MEGABYTE: Final = 1_000_000


def save_database(settings: Settings, file: Path, *, overwrites: bool) -> Manifest:
    """Save the database that the settings mean as `file`; raises as `back_up` does.

    Raises:
        ConfigurationError: the file is there already, and is not to be overwritten, or its name is
            that of something else than a file.
    """
    try:
        refuse_what_is_no_file(file)
    except OSError as error:
        raise ConfigurationError(
            f"the backup cannot be saved as {file}: {error.strerror}; choose another name"
        ) from error
    if file.exists() and not overwrites:
        raise ConfigurationError(
            f"{file} is there already: choose another name, or say --force to have it replaced"
        )

    # What a link names is replaced, and not the link.
    place = Path(os.path.realpath(file))

    async def save() -> Manifest:
        async with database_to_save(settings) as url:
            with _progress("saving") as show:
                return await back_up(url, place, on_progress=show)

    return run_main(save())


def fill_database(settings: Settings, file: Path, *, replaces: bool) -> Restored:
    """Bring the backup `file` into the database that is meant; raises as `restore` does."""
    with open_backup(file):
        # Looked at before anything is put out of its way.
        pass

    async def fill() -> Restored:
        async with database_to_fill(settings, replaces=replaces) as url:
            with _progress("restoring") as show:
                return await restore(url, file, replaces=replaces, on_progress=show)

    return run_main(fill())


def row_count(manifest: Manifest, table: str) -> int:
    """Return how many rows of a table a backup has."""
    return sum(saved.rows for saved in manifest.tables if saved.name == table)


@contextmanager
def _progress(verb: str) -> Generator[Callable[[CopyProgress], None]]:
    """Give what shows how far it is."""
    panel = Panel()

    def show(progress: CopyProgress) -> None:
        if panel.is_due:
            panel.draw(
                [
                    f"hive: {verb} table {progress.number} of {progress.tables}:"
                    f" {progress.table}, {progress.bytes / MEGABYTE:,.1f} MB"
                ]
            )

    try:
        yield show
    finally:
        panel.erase()
