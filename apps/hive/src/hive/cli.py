"""The `hive` command: which subcommands there are, and how their errors become exit codes.

A subcommand is a module in `hive.commands` and imports what it needs when it runs, so that
`hive --help` answers at once.
"""

import os
import sys
from collections.abc import Iterator
from typing import Final, cast

import typer

from hive.commands import (
    demo,
    doctor,
    down,
    logs,
    migrate,
    queen,
    run,
    show,
    status,
    submit,
    up,
    worker,
)
from hive_contracts.errors import HiveError, UsageError

__all__ = ["app", "main"]

FAILED: Final = 1
USED_WRONGLY: Final = 2
INTERRUPTED: Final = 130

app = typer.Typer(
    name="hive",
    help="Run commands, agents and functions as durable tasks.",
    epilog="To begin: `hive up -d`, then `hive doctor`. To stop: `hive down`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(up.up)
app.command()(down.down)
app.command()(queen.queen)
app.command()(worker.worker)
app.command()(doctor.doctor)
app.command()(migrate.migrate)
app.command(
    epilog=run.EPILOG, context_settings={"allow_interspersed_args": False}, no_args_is_help=True
)(run.run)
app.command()(submit.submit)
app.command()(status.status)
app.command()(show.show)
app.command()(logs.logs)
app.command()(demo.demo)


def main() -> None:
    """Run the command line. Hive's own errors are one line on stderr; a mistake is a traceback."""
    if "HIVE_DIE_WITH_PARENT" in os.environ:
        from hive.parenthood import die_with_parent  # noqa: PLC0415 - only children need it

        die_with_parent()
    try:
        app()
    except HiveError as error:
        _fail([error])
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        errors = [leaf for leaf in leaves if isinstance(leaf, HiveError)]
        if len(errors) < len(leaves):
            raise
        _fail(errors)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _fail(errors: list[HiveError]) -> None:
    for message in dict.fromkeys(map(str, errors)):
        print(f"hive: {message}", file=sys.stderr)
    is_usage = all(isinstance(error, UsageError) for error in errors)
    sys.exit(USED_WRONGLY if is_usage else FAILED)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(cast("BaseExceptionGroup[BaseException]", error))
        else:
            yield error
