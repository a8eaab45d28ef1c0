"""`hive run`: run a command as a durable task, and watch it as if it ran here."""

from typing import Annotated

import typer

from hive.command_options import Shell, SpokenFlags
from hive.options import Options, with_options
from hive.running import run_main
from hive.task_options import FlagsOfOne

__all__ = ["EPILOG", "run"]

EPILOG = (
    "Exit code: the command's own, or 128 + n if signal n ended it. Hive's own: 116 over a budget,"
    " 117 it stayed when it was done, 118 it was silent, 119 it never began, 121 cancelled, 122"
    " lost (its workers died), 123 detached by Ctrl-C, 124 timed out, 125 not queued or not"
    " started. Ctrl-C detaches and the task goes on; twice cancels it. With --pty, on a terminal,"
    " every key goes to COMMAND, and ctrl-q detaches."
)


@with_options
def run(
    options: Options,
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="What to run, and its arguments.")
    ],
    *,
    shell: Shell = False,
    terms: SpokenFlags,
    task: FlagsOfOne,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell id and end, also off a terminal.")
    ] = False,
) -> None:
    """Run a command on a worker, show its output live, and exit with its exit code.

    \b
    Examples:
      hive run --timeout 10m -- make test
      hive run --repo .@main --setup 'make deps' -- make test
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    from hive.endings import told  # noqa: PLC0415
    from hive.submitting.running import run_and_sit, run_and_watch  # noqa: PLC0415
    from hive.submitting.said import command_payload, said_task, task_of  # noqa: PLC0415
    from hive.talking.own_terminal import is_at_terminal  # noqa: PLC0415
    from hive.tasks.exit_codes import NO_EXIT_CODE  # noqa: PLC0415

    # Every other code is one the command itself might end with.
    with told(failed=NO_EXIT_CODE, used_wrongly=NO_EXIT_CODE):
        words = {"argv": [" ".join(command)] if shell else command, "shell": shell}
        how = command_payload(terms, reads_parents=task.after is not None)
        new = task_of(said_task("command", words | how, task, terms))
        settings = options.settings()
        if terms.pty and is_at_terminal():
            code = run_main(run_and_sit(settings, new))
        else:
            code = run_main(run_and_watch(settings, new, is_verbose=verbose))
    raise typer.Exit(code)
