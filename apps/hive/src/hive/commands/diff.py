"""`hive diff`: what a task has changed of its repository."""

from typing import Annotated

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["diff"]


@with_options
def diff(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="The task.")],
    *,
    stat: Annotated[bool, typer.Option("--stat", help="Only how much, by file.")] = False,
    json: Json = False,
) -> None:
    """Show what a task has changed of its repository, committed or not.

    Example: hive diff 7 --stat
    """
    from hive.reviewing.differing import show_diff  # noqa: PLC0415
    from hive_contracts.ids import TaskId  # noqa: PLC0415

    run_main(show_diff(options.settings(), TaskId(task), is_stat=stat, as_json=json))
