"""`hive restore`: bring a backup back."""

from pathlib import Path
from typing import Annotated

import typer

from hive.options import Json, Options, with_options

__all__ = ["restore"]


@with_options
def restore(
    options: Options,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `hive backup` has saved.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete the tasks that the database holds.")
    ] = False,
    json: Json = False,
) -> None:
    """Fill an empty database with FILE, all of it or nothing.

    Example: hive restore monday.hive

    What was running when FILE was made is queued again, uncounted. What ended after that runs
    again: the database does not know of it any more.
    """
    from hive.copying import fill_database, row_count  # noqa: PLC0415
    from hive.printing import say, show_json  # noqa: PLC0415

    restored = fill_database(options.settings(), file, replaces=replace)
    manifest = restored.manifest
    if json:
        show_json(
            {
                "made_at": manifest.made_at,
                "tasks": row_count(manifest, "task"),
                "queued_again": restored.queued,
                "failed": restored.failed,
                "cancelled": restored.cancelled,
            }
        )
        return
    say(
        f"hive: restored {row_count(manifest, 'task'):,} tasks as of {manifest.made_at:%F %T %Z};"
        f" {restored.queued:,} that were leased are queued again"
    )
    if restored.failed:
        say(f"hive: {restored.failed:,} that were running and may not run again have failed")
    if restored.cancelled:
        say(f"hive: {restored.cancelled:,} that were called off are cancelled")
