"""`hive unpark`: let parked tasks go on."""

import typer

from hive.commands.cancel import DryRun, Tasks, Yes
from hive.filters import Filter, with_filter
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "unpark"]

EPILOG = (
    "A task that was scheduled for later before it was parked waits for that moment again. Exit"
    " code: 0 if all were let go on; 1 if one was not: it does not exist, or is not parked."
)


@with_options
@with_filter
def unpark(
    options: Options,
    given: Filter,
    tasks: Tasks = None,
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Let parked tasks go on: those named, or all that fit the options.

    Example: hive unpark 12 13
    """
    from hive.acting.order import Order, chosen_tasks  # noqa: PLC0415
    from hive.acting.parking import unpark_all  # noqa: PLC0415
    from hive_contracts.states import Move  # noqa: PLC0415

    settings = options.settings()
    order = Order(
        move=Move.FALL_DUE,
        words=tasks or [],
        filter=given,
        is_agreed=yes,
        is_dry=dry_run,
        as_json=json,
    )
    task_ids = chosen_tasks(settings, order)
    if task_ids is None:
        return
    is_strict = given.is_empty
    if code := run_main(unpark_all(settings, task_ids, is_strict=is_strict, as_json=json)):
        raise typer.Exit(code)
