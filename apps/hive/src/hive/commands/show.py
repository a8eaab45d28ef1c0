"""`hive show`: everything about one task."""

from typing import Annotated

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["show"]


@with_options
def show(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="The task.")],
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Cut nothing: payload, result and errors as they are.")
    ] = False,
    json: Json = False,
) -> None:
    """Show everything that is known of a task, and why it waits if it does.

    Example: hive show 7 --full
    """
    from hive.looking.portraying import as_lines, as_plain, portray  # noqa: PLC0415
    from hive.printing import show as show_line  # noqa: PLC0415
    from hive.printing import show_json  # noqa: PLC0415

    portrait = run_main(portray(options.settings(), task))
    if json:
        show_json(as_plain(portrait))
        return
    for line in as_lines(portrait, is_full=full):
        show_line(line)
