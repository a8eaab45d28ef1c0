"""`hive prune`: delete finished tasks at once, by the terms in force or by others."""

from typing import Annotated

import typer

from hive.completing import kinds, queues
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "prune"]

EPILOG = (
    "The queen does this by herself, by the terms that `hive config` shows under retention. What is"
    " not finished is never deleted. What was deleted is gone: save it first with `hive export`."
)


@with_options
def prune(
    options: Options,
    *,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="DURATION", help="Finished so long ago; 0 for all."),
    ] = None,
    state: Annotated[
        str | None, typer.Option("--state", metavar="S,...", help="Ended in one of these states.")
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="NAME", help="Of this queue.", autocompletion=queues),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="NAME", help="Of this kind.", autocompletion=kinds),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many; change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Delete finished tasks with their attempts and output, after saying how many.

    Example: hive prune --older-than 3d --state succeeded

    Without --older-than: those that the terms in force let go.
    """
    from hive.acting.pruning import PruneOrder, prune_tasks, read_terms  # noqa: PLC0415

    settings = options.settings()
    retention = read_terms(settings, older_than=older_than, states=state, queue=queue, kind=kind)
    order = PruneOrder(retention=retention, is_agreed=yes, is_dry=dry_run, as_json=json)
    run_main(prune_tasks(settings, order))
