"""`hive park`: set waiting tasks aside."""

from typing import Annotated, TypeAlias

import typer

from hive.commands.cancel import DryRun, Tasks, Yes
from hive.filters import Filter, with_filter
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["EPILOG", "park"]

EPILOG = (
    "A parked task that has the turn of its key keeps it. What is leased or has ended cannot be"
    " parked. Exit code: 0 if all were parked; 1 if one was not."
)
Until: TypeAlias = Annotated[
    str | None,
    typer.Option("--until", metavar="WHEN", help="Until then: 10m from now, or a moment."),
]
Reason: TypeAlias = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, for who looks at it.")
]


@with_options
@with_filter
def park(
    options: Options,
    given: Filter,
    tasks: Tasks = None,
    *,
    until: Until = None,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Set waiting tasks aside until a moment, or until `hive unpark`: those named, or all that fit.

    Example: hive park 12 13 --reason "the report is not there yet"
    """
    from hive.acting.order import Order, chosen_tasks  # noqa: PLC0415
    from hive.acting.parking import park_all  # noqa: PLC0415
    from hive.moments import read_until  # noqa: PLC0415
    from hive_contracts.states import Move  # noqa: PLC0415

    settings = options.settings()
    end = None if until is None else read_until(until, flag="--until")
    order = Order(
        move=Move.PARK,
        words=tasks or [],
        filter=given,
        is_agreed=yes,
        is_dry=dry_run,
        as_json=json,
    )
    task_ids = chosen_tasks(settings, order)
    if task_ids is None:
        return
    if code := run_main(park_all(settings, task_ids, until=end, reason=reason, as_json=json)):
        raise typer.Exit(code)
