"""`hive backup`: save everything that Hive keeps in Postgres as one file."""

from pathlib import Path
from typing import Annotated

import typer

from hive.options import Json, Options, with_options

__all__ = ["backup"]


@with_options
def backup(
    options: Options,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to save it.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE if it is there already.")
    ] = False,
    json: Json = False,
) -> None:
    """Save all tasks, results, output and events as FILE, while queens and workers go on.

    Example: hive backup monday.hive

    FILE holds the database as it was at one moment. If no Hive runs here, its Postgres is started
    for as long.
    """
    from hive.copying import row_count, save_database  # noqa: PLC0415
    from hive.printing import say, show_json  # noqa: PLC0415

    manifest = save_database(options.settings(), file, overwrites=force)
    if json:
        rows = {table.name: table.rows for table in manifest.tables}
        show_json(
            {"file": file, "made_at": manifest.made_at, "schema": manifest.schema, "rows": rows}
        )
        return
    say(
        f"hive: saved {row_count(manifest, 'task'):,} tasks as of {manifest.made_at:%F %T %Z} in"
        f" {file} ({file.stat().st_size:,} bytes); to bring them back: hive restore {file}"
    )
