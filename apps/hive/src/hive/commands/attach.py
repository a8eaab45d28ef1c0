"""`hive attach`: sit at the terminal of a task."""

from typing import Annotated

import typer

from hive.options import Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "attach"]

EPILOG = (
    "Every key goes to the task, Ctrl-C too; ctrl-q leaves, and the task goes on. Its window is as"
    " large as that of who came or changed it last. Exit code: as of `hive run`, so 123 after"
    " ctrl-q. `hive audit` tells who came."
)


@with_options
def attach(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="The task.")],
) -> None:
    """Sit at the terminal of a task that was submitted with --pty, from any machine.

    Example: hive attach 7
    """
    from hive.talking.attaching import attach  # noqa: PLC0415

    if code := run_main(attach(options.settings(), task)):
        raise typer.Exit(code)
