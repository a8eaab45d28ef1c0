"""`hive import`: bring what `hive export` wrote into this Hive."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hive.options import Json, Options, with_options

if TYPE_CHECKING:
    from hive_store.importing import Imported

__all__ = ["EPILOG", "import_file"]

EPILOG = (
    "Tasks keep their ids if this Hive has never given out one as high as the lowest of them; else"
    " all get new ones. A line that is refused is named, and then nothing is imported. If the Hive"
    " that they come from still runs, both run what was not finished."
)


@with_options
def import_file(
    options: Options,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `hive export` wrote; - for stdin.")
    ],
    *,
    renumber: Annotated[
        bool, typer.Option("--renumber", help="New ids, also if the old ones are free.")
    ] = False,
    map_: Annotated[
        Path | None,
        typer.Option("--map", metavar="NEW", help="Write which id became which: OLD NEW a line."),
    ] = None,
    json: Json = False,
) -> None:
    """Bring the tasks of FILE into this Hive, which may be at work: all of them or none.

    Example: hive import failed.jsonl

    What was running when FILE was made is queued again, uncounted.
    """
    from hive.porting.transfer import import_from  # noqa: PLC0415 - `hive --help` must not pay
    from hive.printing import say, show_json  # noqa: PLC0415
    from hive.words import counted  # noqa: PLC0415

    done = import_from(options.settings(), file, renumbers=renumber, mapping=map_)
    if json:
        show_json(_plain(done))
        return
    say(f"hive: imported {counted(done.counts['task'], 'task')}; {_ids_in_words(done)}")
    if done.queued:
        say(f"hive: {counted(done.queued, 'task')} that had been leased: queued again")
    if done.failed:
        say(f"hive: {done.failed:,} that were running and may not run again have failed")
    if done.cancelled:
        say(f"hive: {done.cancelled:,} that were called off are cancelled")


def _ids_in_words(done: "Imported") -> str:
    runs = done.ids.runs()
    if done.are_ids_kept or not runs:
        return "they keep their ids"
    if len(runs) > 1:
        return "their ids are new; --map FILE would have written which became which"
    [(first, last, became)] = runs
    return f"{first:,} to {last:,} are now {became:,} to {became + last - first:,}"


def _plain(done: "Imported") -> dict[str, object]:
    return {
        "imported": dict(done.counts),
        "ids": "kept" if done.are_ids_kept else "new",
        "runs": [
            {"first": first, "last": last, "became": became}
            for first, last, became in done.ids.runs()
        ],
        "queued_again": done.queued,
        "failed": done.failed,
        "cancelled": done.cancelled,
    }
