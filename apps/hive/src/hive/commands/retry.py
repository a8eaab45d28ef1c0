"""`hive retry`: queue tasks once more that failed or were cancelled."""

import typer

from hive.commands.cancel import DryRun, Tasks, Yes
from hive.filters import Filter, with_filter
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "retry"]

EPILOG = (
    "A task that is queued again may fail once more before it has failed for good, and keeps what"
    " its earlier attempts have written. Exit code: 0 if all were queued; 1 if one was not: it does"
    " not exist, is not failed or cancelled, or another transaction held it."
)


@with_options
@with_filter
def retry(
    options: Options,
    given: Filter,
    tasks: Tasks = None,
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Queue failed and cancelled tasks again: those named, or all of them that fit the options.

    Example: hive retry --group nightly --state failed
    """
    from hive.acting.order import Order, chosen_tasks  # noqa: PLC0415
    from hive.acting.retrying import retry_all  # noqa: PLC0415
    from hive_contracts.states import Move  # noqa: PLC0415

    settings = options.settings()
    order = Order(
        move=Move.REVIVE,
        words=tasks or [],
        filter=given,
        is_agreed=yes,
        is_dry=dry_run,
        as_json=json,
    )
    task_ids = chosen_tasks(settings, order)
    if task_ids is None:
        return
    if code := run_main(retry_all(settings, task_ids, as_json=json)):
        raise typer.Exit(code)
