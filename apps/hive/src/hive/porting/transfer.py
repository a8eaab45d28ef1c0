"""Export and import as the command line does them: what, where to, how far, and what came of it."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hive.acting_for import actor_of
from hive.borrowing import database_to_fill, database_to_save
from hive.filters import Filter
from hive.panel import Panel
from hive.porting.places import lines_from, open_place
from hive.running import run_main
from hive.settings import Settings
from hive.tasks.choosing import check, choose
from hive.tasks.reaching import View
from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import LAST_TASK_ID, TaskId
from hive_store import migrate, open_line
from hive_store.connecting import connect
from hive_store.deeds import Deed
from hive_store.exporting import Exported, ExportProgress, export_tasks
from hive_store.importing import Imported, import_tasks
from hive_store.interchange import Ids
from hive_store.migrating import schema_number

__all__ = ["export_to", "import_from", "read_ids"]

MOST_DIGITS: Final = 19


def read_ids(text: str | None) -> list[TaskId] | None:
    """Return the ids that `text` names, with commas between them; None if it is None.

    Raises:
        ConfigurationError: one of them is no id.
    """
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not (word.isdecimal() and len(word) <= MOST_DIGITS and int(word) <= LAST_TASK_ID):
            raise ConfigurationError(f"--ids: {word!r} is no task's id; write them like 7,8,12")
    return sorted({TaskId(int(word)) for word in words})


def export_to(
    settings: Settings,
    place: Path,
    given: Filter,
    *,
    task_ids: Sequence[TaskId] | None,
    overwrites: bool,
) -> Exported:
    """Write the tasks that fit to a place; raises as `export_tasks` and `open_place` do."""
    check(given)

    async def run() -> Exported:
        async with database_to_save(settings) as url:
            async with open_line(url) as line:
                selection = await choose(given, View(line))
            with open_place(place, overwrites=overwrites) as target, _progress("wrote") as show:

                async def write(piece: bytes) -> None:
                    await asyncio.to_thread(target.write, piece)

                return await export_tasks(
                    url,
                    selection,
                    task_ids=None if task_ids is None else list(task_ids),
                    write=write,
                    on_progress=show,
                )

    return run_main(run())


def import_from(
    settings: Settings, place: Path, *, renumbers: bool, mapping: Path | None
) -> Imported:
    """Bring the tasks from a place into the Hive; raises as `import_tasks` and `lines_from` do.

    Args:
        settings: which Hive.
        place: where the lines are.
        renumbers: also if the tasks could keep their ids.
        mapping: the file to write which id became which to; None for none.
    """
    details = {"renumbers": renumbers}
    deed = Deed(actor=actor_of(settings), what="import", target=str(place), details=details)

    async def run() -> Imported:
        async with database_to_fill(settings, replaces=False) as url:
            await _migrate_if_new(url)
            with lines_from(place) as lines, _progress("read") as show:
                return await import_tasks(
                    url, lines, renumbers=renumbers, deed=deed, on_progress=show
                )

    if mapping is None:
        return run_main(run())
    # Opened first: once the tasks are in, it is too late to say that it cannot be written.
    with open_place(mapping, overwrites=False) as target:
        done = run_main(run())
        for line in _mapped(done.ids):
            target.write(line)
    return done


def _mapped(ids: Ids) -> Generator[bytes]:
    for first, last, became in ids.runs():
        for old in range(first, last + 1):
            yield f"{old} {became + old - first}\n".encode()


async def _migrate_if_new(url: str) -> None:
    connection = await connect(url)
    try:
        is_new = await schema_number(connection) == 0
    finally:
        await connection.close()
    if is_new:
        await migrate(url)


@contextmanager
def _progress(verb: str) -> Generator[Callable[[ExportProgress], None]]:
    """Give what shows how far it is."""
    panel = Panel()

    def show(progress: ExportProgress) -> None:
        if panel.is_due:
            panel.draw(
                [f"hive: {verb} {progress.type} {progress.count:,} ({progress.tasks:,} tasks)"]
            )

    try:
        yield show
    finally:
        panel.erase()
