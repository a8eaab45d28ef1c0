"""`hive logs`: what a task has written, from any machine."""

from typing import Annotated

import typer

from hive.options import Options, with_options
from hive.running import run_main

__all__ = ["logs"]


@with_options
def logs(
    options: Options,
    task: Annotated[int, typer.Argument(metavar="ID", help="The task.")],
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the task has ended.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", metavar="N", help="Not the last attempt, but this.")
    ] = None,
    stream: Annotated[
        str | None, typer.Option("--stream", metavar="stdout|stderr", help="Only this one.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without colours and what else is for terminals.")
    ] = False,
) -> None:
    """Print what a task has written: its stdout on stdout, its stderr on stderr.

    Example: hive logs -f 7
    """
    from hive.looking.reading_logs import Wanted, print_logs  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    if stream not in (None, "stdout", "stderr"):
        raise ConfigurationError(f"--stream is {stream!r}; it must be stdout or stderr")
    if follow and attempt is not None:
        raise ConfigurationError("--follow is for the attempt that runs; leave out --attempt")
    wanted = Wanted(stream=stream, attempt=attempt, is_plain=plain)
    run_main(print_logs(options.settings(), task, wanted, is_following=follow))
