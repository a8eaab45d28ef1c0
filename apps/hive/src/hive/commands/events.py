"""`hive events`: what has happened to tasks, from the durable log."""

from typing import Annotated

import typer

from hive.completing import kinds, queues
from hive.options import Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "events"]

EPILOG = (
    "With --json each line has a cursor; --show-cursor prints the last one read, wanted or not. A"
    " program that was stopped goes on behind it with --cursor and misses nothing. When the log"
    " does not hold all that came behind the cursor any more (queen.event_days), it says so and"
    " ends with 2, and names the cursor from which on nothing is missing."
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
        typer.Option("--since", metavar="WHEN", help="From 10m (ago) on, or from a moment."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="Before that.")
    ] = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="XID:ID", help="Behind this place in the log.")
    ] = None,
    task: Annotated[
        int | None, typer.Option("--task", metavar="ID", min=1, help="Only of this task.")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Only of tasks of this group.")
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="NAME", help="Of this queue.", autocompletion=queues),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="NAME", help="Of this kind.", autocompletion=kinds),
    ] = None,
    types: Annotated[
        str | None, typer.Option("--type", metavar="T,...", help="Only of these types.")
    ] = None,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, help="Else so many last ones."),
    ] = 20,
    show_cursor: Annotated[
        bool, typer.Option("--show-cursor", help="Last, print where to go on.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Show what has happened to tasks, oldest first.

    Example: hive events -f --type failed,lost
    """
    from hive.looking.reading_events import Question, print_events  # noqa: PLC0415
    from hive.looking.sieve import Sieve, read_types  # noqa: PLC0415
    from hive_contracts.errors import UnknownTaskError  # noqa: PLC0415
    from hive_contracts.ids import LAST_TASK_ID, TaskId  # noqa: PLC0415
    from hive_store import EventFilter  # noqa: PLC0415

    task_id = None if task is None else TaskId(task)
    if task_id is not None and task_id > LAST_TASK_ID:
        raise UnknownTaskError(task_id)
    wanted = EventFilter(
        types=read_types(types),
        task_ids=frozenset(() if task_id is None else (task_id,)),
        group=group,
        queue=queue,
        kind=kind,
    )
    question = Question(
        since=since,
        until=until,
        cursor=cursor,
        sieve=Sieve(wanted=wanted),
        limit=limit,
        is_following=follow,
        is_json=json,
        shows_cursor=show_cursor,
    )
    run_main(print_events(options.settings(), question))
