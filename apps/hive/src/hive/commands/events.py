"""`hive events`: what has happened to tasks, from the durable log."""

from typing import Annotated

import typer

from hive.options import Options, with_options

__all__ = ["EPILOG", "events"]

EPILOG = (
    "With --json each line has a cursor. A program that was stopped goes on behind the last one it"
    " has seen with --since CURSOR, and misses nothing as long as the log is kept."
)


@with_options
def events(
    options: Options,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN|CURSOR", help="From 10m ago, a moment, a cursor."),
    ] = None,
    task: Annotated[
        int | None, typer.Option("--task", metavar="ID", min=1, help="Only of this task.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Only of tasks of this group.")
    ] = None,
    types: Annotated[
        str | None, typer.Option("--type", metavar="T,...", help="Only of these types.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="Without --since: so many last ones.")
    ] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Show what has happened to tasks, oldest first.

    Example: hive events -f --type failed,lost
    """
    import asyncio  # noqa: PLC0415 - `hive --help` must not pay for it

    from hive.looking.reading_events import Question, print_events  # noqa: PLC0415
    from hive.looking.sieve import Sieve, read_types  # noqa: PLC0415
    from hive_contracts.errors import UnknownTaskError  # noqa: PLC0415
    from hive_contracts.ids import LAST_TASK_ID, TaskId  # noqa: PLC0415

    task_id = None if task is None else TaskId(task)
    if task_id is not None and task_id > LAST_TASK_ID:
        raise UnknownTaskError(task_id)
    question = Question(
        since=since,
        sieve=Sieve(types=read_types(types), task_id=task_id, group=group),
        limit=limit,
        is_following=follow,
        is_json=json,
    )
    asyncio.run(print_events(options.settings(), question))
