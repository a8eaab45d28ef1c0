"""`hive queue`: see queues, pause them, drain them, and move tasks between them."""

from typing import Annotated, Final, TypeAlias

import typer

from hive.commands.cancel import Tasks, Yes
from hive.completing import queues
from hive.filters import Filter, with_filter
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["app"]

Name: TypeAlias = Annotated[
    str, typer.Argument(metavar="QUEUE", help="The queue.", autocompletion=queues)
]
Reason: TypeAlias = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, for those who wonder.")
]

app: Final = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def queue() -> None:
    """See queues, pause and drain them, and move tasks between them.

    Example: hive queue pause images --reason "a new model"
    """


@app.command("list")
@with_options
def list_queues(options: Options, *, json: Json = False) -> None:
    """List the queues that have open tasks, workers or a pause.

    Example: hive queue list
    """
    from hive.steering.queueing import show_queues  # noqa: PLC0415

    run_main(show_queues(options.settings(), only=None, as_json=json))


@app.command("show")
@with_options
def show_queue(options: Options, name: Name, *, json: Json = False) -> None:
    """Show one queue.

    Example: hive queue show images
    """
    from hive.steering.queueing import show_queues  # noqa: PLC0415

    run_main(show_queues(options.settings(), only=name, as_json=json))


@app.command("pause")
@with_options
def pause_queue(options: Options, name: Name, *, reason: Reason = None) -> None:
    """Claim nothing of a queue from now on, by any queen; what runs goes on.

    Example: hive queue pause images --reason "a new model"
    """
    from hive.steering.queueing import pause  # noqa: PLC0415

    run_main(pause(options.settings(), name, reason=reason))


@app.command("resume")
@with_options
def resume_queue(options: Options, name: Name) -> None:
    """Claim tasks of a paused queue again.

    Example: hive queue resume images
    """
    from hive.steering.queueing import resume  # noqa: PLC0415

    run_main(resume(options.settings(), name))


@app.command("drain")
@with_options
def drain_queue(
    options: Options,
    name: Name,
    *,
    reason: Reason = None,
    within: Annotated[
        str | None,
        typer.Option("--within", metavar="DURATION", help="Wait no longer; exit code 1 then."),
    ] = None,
) -> None:
    """Pause a queue, and wait until nobody has any of its tasks; it stays paused.

    Example: hive queue drain images --within 10m
    """
    from hive.durations import read_duration  # noqa: PLC0415
    from hive.steering.draining import drain  # noqa: PLC0415

    patience = None if within is None else read_duration(within, flag="--within").total_seconds()
    settings = options.settings()
    if not run_main(drain(settings, name, reason=reason, patience_seconds=patience)):
        raise typer.Exit(1)


@app.command("move")
@with_options
@with_filter
def move_tasks(
    options: Options,
    given: Filter,
    tasks: Tasks = None,
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="QUEUE", help="Where they shall wait.", show_default=False),
    ],
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Move waiting tasks to another queue: those named, or all of them that fit the options.

    Example: hive queue move --queue default --kind resize --to images

    They keep their priority and their place by time. Exit code 1 if one was not moved.
    """
    from hive.steering.moving import MoveOrder, move  # noqa: PLC0415

    order = MoveOrder(queue=to, words=tasks or [], filter=given, is_agreed=yes, as_json=json)
    if not run_main(move(options.settings(), order)):
        raise typer.Exit(1)
