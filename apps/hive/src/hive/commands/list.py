"""`hive list`: tasks, newest first."""

import sys
from typing import Annotated

import typer

from hive.filters import Filter, with_filter
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["list_tasks"]


@with_options
@with_filter
def list_tasks(
    options: Options,
    given: Filter,
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="Most tasks to show.")
    ] = 20,
    before: Annotated[
        int | None,
        typer.Option("--before", metavar="ID", min=1, help="Only tasks older than this."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that fit, however many they are.")
    ] = False,
    needs_you: Annotated[
        bool, typer.Option("--needs-you", help="Only those that wait for an answer.")
    ] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Only their ids, one a line.")] = False,
    json: Json = False,
) -> None:
    """List tasks, the newest first, a screen at a time.

    Example: hive list --state failed --since 1h
    """
    from hive.looking.listing import Form, Wish, print_list  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415
    from hive_contracts.ids import LAST_TASK_ID, TaskId  # noqa: PLC0415

    if ids and json:
        raise ConfigurationError("--ids and --json are two ways to print; give one of them")
    wish = Wish(
        filter=given,
        form=Form.IDS if ids else Form.JSON if json else Form.TABLE,
        limit=None if everything else limit,
        before=None if before is None else TaskId(min(before, LAST_TASK_ID)),
        needs_you=needs_you,
        words=sys.argv[1:],
    )
    run_main(print_list(options.settings(), wish))
