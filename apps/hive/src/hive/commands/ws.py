"""`hive ws`: the directories in which tasks work."""

from typing import Annotated, Final

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["app"]

EPILOG: Final = (
    "What waits for review stays until it is accepted, rejected or cleaned; what a failure left is"
    " removed after `workspaces.keep`. On another machine a worker of it removes what is cleaned."
)

app: Final = typer.Typer(
    help="See, open and clean the directories in which tasks work.\n\nExample: hive ws list",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command("list")
@with_options
def list_all(
    options: Options,
    *,
    gone: Annotated[bool, typer.Option("--all", help="Also those that are gone.")] = False,
    json: Json = False,
) -> None:
    """List the workspaces of all machines, newest first.

    Example: hive ws list
    """
    from hive.reviewing.listing import list_workspaces  # noqa: PLC0415

    run_main(list_workspaces(options.settings(), is_all=gone, as_json=json))


@app.command("open")
@with_options
def open_one(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="Whose.")],
    *,
    prints: Annotated[bool, typer.Option("--print", help="Print its path, no more.")] = False,
) -> None:
    """Open a shell in the workspace of a task; off a terminal, print its path.

    Example: hive ws open 7
    """
    from hive.reviewing.opening import find_here, open_shell  # noqa: PLC0415
    from hive_contracts.ids import TaskId  # noqa: PLC0415

    open_shell(run_main(find_here(options.settings(), TaskId(task))), prints=prints)


@app.command(epilog=EPILOG)
@with_options
def clean(
    options: Options,
    tasks: Annotated[
        list[int] | None, typer.Argument(metavar="ID...", help="Whose.", show_default=False)
    ] = None,
    *,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="DURATION", help="All that were left so long ago."),
    ] = None,
    review: Annotated[
        bool, typer.Option("--review", help="With --older-than: what waits for review too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove workspaces. A branch that something was committed to stays.

    Example: hive ws clean --older-than 1d
    """
    from hive.durations import read_duration  # noqa: PLC0415
    from hive.reviewing.cleaning import CleanOrder  # noqa: PLC0415
    from hive.reviewing.cleaning import clean as clean_up  # noqa: PLC0415
    from hive_contracts.ids import TaskId  # noqa: PLC0415

    age = None if older_than is None else read_duration(older_than, flag="--older-than")
    order = CleanOrder(
        task_ids=[TaskId(task) for task in tasks or ()],
        older_than=age,
        with_review=review,
        is_agreed=yes,
        as_json=json,
    )
    run_main(clean_up(options.settings(), order))
