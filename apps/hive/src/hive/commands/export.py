"""`hive export`: tasks and all that belongs to them, as lines of JSON."""

from pathlib import Path
from typing import Annotated

import typer

from hive.filters import Filter, with_filter
from hive.options import Options, with_options

__all__ = ["EPILOG", "export"]

EPILOG = (
    "One record a line: tasks, earlier attempts, output, events, as they were at one moment."
    " To bring them into another Hive: hive import FILE. A FILE that ends in .gz is packed."
)


@with_options
@with_filter
def export(
    options: Options,
    given: Filter,
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to; - for stdout.")] = Path(
        "-"
    ),
    *,
    ids: Annotated[
        str | None, typer.Option("--ids", metavar="ID,...", help="Of these tasks alone.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE if it is there already.")
    ] = False,
) -> None:
    """Write tasks as lines of JSON, while queens and workers go on: all, or those that fit.

    Example: hive export --state failed --since 7d failed.jsonl
    """
    from hive.porting.places import STREAM  # noqa: PLC0415 - `hive --help` must not pay for it
    from hive.porting.transfer import export_to, read_ids  # noqa: PLC0415
    from hive.printing import say  # noqa: PLC0415
    from hive.words import counted  # noqa: PLC0415

    task_ids = read_ids(ids)
    done = export_to(options.settings(), file, given, task_ids=task_ids, overwrites=force)
    counts = done.counts
    where = "" if file == STREAM else f" to {file} ({file.stat().st_size:,} bytes)"
    say(
        f"hive: wrote {counted(counts['task'], 'task')} as of {done.made_at:%F %T %Z}, with"
        f" {counted(counts['attempt'], 'earlier attempt')}, {counted(counts['output'], 'piece')} of"
        f" output and {counted(counts['event'], 'event')}{where}"
    )
