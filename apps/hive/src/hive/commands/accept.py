"""`hive accept`: take over what a task has changed."""

from typing import Annotated

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "accept"]

EPILOG = (
    "Exit code: 0 if it was taken over; 2 if it cannot be, as with conflicts, and then nothing was"
    " touched. The workspace and its branch are removed, and stay with --keep."
)


@with_options
def accept(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="The task.")],
    *,
    squash: Annotated[bool, typer.Option("--squash", help="As one commit.")] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="To the repository's files, without a commit.")
    ] = False,
    into: Annotated[
        str | None,
        typer.Option("--into", metavar="BRANCH", help="Default: the one it was made from."),
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="Of the commit.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the workspace.")] = False,
    json: Json = False,
) -> None:
    """Merge what a task has changed into the branch that it was made from, and clean up.

    Example: hive accept 7 --squash -m "Fix the parser"
    """
    from hive.reviewing.accepting import Wish, accept_work  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415
    from hive_contracts.ids import TaskId  # noqa: PLC0415

    if apply and (squash or into is not None or message is not None):
        raise ConfigurationError("--apply commits nothing; leave out --squash, --into, --message")
    way = "apply" if apply else "squash" if squash else "merge"
    wish = Wish(way=way, into=into, message=message, keeps=keep)
    run_main(accept_work(options.settings(), TaskId(task), wish, as_json=json))
