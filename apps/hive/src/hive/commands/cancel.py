"""`hive cancel`: call tasks off."""

from typing import Annotated, TypeAlias

import typer

from hive.filters import Filter, with_filter
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "DryRun", "Tasks", "Yes", "cancel"]

Tasks: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="The tasks; - for stdin.")
]
Yes: TypeAlias = Annotated[
    bool, typer.Option("--yes", "-y", help="Also more than 20 that a filter finds.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Only say which; change nothing.")
]

EPILOG = (
    "A task that runs is asked to stop: its worker ends everything of it, and only then is it"
    " cancelled. Exit code: 0 if none of the tasks will run any more, also if they had ended"
    " already; 1 if one does not exist, or another transaction held it."
)


@with_options
@with_filter
def cancel(
    options: Options,
    given: Filter,
    tasks: Tasks = None,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why, for those who wonder.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when nothing of them runs any more.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Cancel tasks: those named, or all that fit the options.

    Example: hive cancel --group nightly --state queued
    """
    from hive.acting.cancelling import cancel_all  # noqa: PLC0415
    from hive.acting.order import Order, chosen_tasks  # noqa: PLC0415
    from hive_contracts.states import Move  # noqa: PLC0415

    settings = options.settings()
    order = Order(
        move=Move.CANCEL,
        words=tasks or [],
        filter=given,
        is_agreed=yes,
        is_dry=dry_run,
        as_json=json,
    )
    task_ids = chosen_tasks(settings, order)
    if task_ids is None:
        return
    asked = cancel_all(settings, task_ids, order, reason=reason, is_waiting=wait)
    if code := run_main(asked):
        raise typer.Exit(code)
