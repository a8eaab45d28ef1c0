"""`hive group`: tasks that were submitted together."""

from typing import Annotated

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at tasks that were submitted together.

    Example: hive group show nightly
    """


@app.command("show")
@with_options
def show_group(
    options: Options,
    name: Annotated[str, typer.Argument(metavar="GROUP", help="The group.")],
    *,
    json: Json = False,
) -> None:
    """Show how far a group is: its tasks by state, how fast they end, and when all will have.

    Example: hive group show nightly
    """
    from hive.looking.grouping import as_lines, as_plain, look_at_group  # noqa: PLC0415
    from hive.printing import show, show_json  # noqa: PLC0415

    found = run_main(look_at_group(options.settings(), name))
    if json:
        show_json(as_plain(name, found))
        return
    for line in as_lines(name, found):
        show(line)
