"""`hive submit`: give the Hive a task of any kind."""

from typing import Annotated

import typer

from hive.options import Json, Options, with_options

__all__ = ["submit"]


@with_options
def submit(
    options: Options,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="command, call, ...")],
    *,
    payload: Annotated[
        str,
        typer.Option("--payload", metavar="JSON|@FILE|-", help="Its input; - reads it from stdin."),
    ] = "{}",
    queue: Annotated[
        str, typer.Option("--queue", metavar="NAME", help="Queue to put it into.")
    ] = "default",
    priority: Annotated[int, typer.Option("--priority", metavar="N", help="0 is most urgent.")] = 0,
    run_at: Annotated[
        str | None, typer.Option("--run-at", metavar="MOMENT", help="Not before this moment.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option("--delay", metavar="DURATION", help="Not before so long from now.")
    ] = None,
    max_attempts: Annotated[
        int | None, typer.Option("--max-attempts", metavar="N", help="Failures that end it.")
    ] = None,
    max_losses: Annotated[
        int | None, typer.Option("--max-losses", metavar="N", help="Lost workers that end it.")
    ] = None,
    no_rerun: Annotated[
        bool, typer.Option("--no-rerun", help="Never run it again once it has started.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="DURATION", help="Longest that an attempt may run."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end, and print the result as JSON.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also a kind that is not installed here.")
    ] = False,
    json: Json = False,
) -> None:
    """Queue a task, and print its id.

    Example: hive submit command --payload '{"argv": ["uname", "-a"]}' --wait
    """
    import asyncio  # noqa: PLC0415 - `hive --help` must not pay for it

    from hive.durations import read_duration  # noqa: PLC0415
    from hive.tasks.handing_in import Order, hand_in  # noqa: PLC0415
    from hive.tasks.submitting import read_max_losses, read_payload, read_run_at  # noqa: PLC0415
    from hive_contracts.tasks import NewTask  # noqa: PLC0415

    task = NewTask(
        kind=kind,
        payload=read_payload(payload),
        queue=queue,
        priority=priority,
        run_at=read_run_at(run_at, delay),
        max_attempts=max_attempts,
        max_losses=read_max_losses(max_losses, no_rerun=no_rerun),
        timeout=read_duration(timeout, flag="--timeout") if timeout else None,
    )
    order = Order(task=task, is_forced=force, is_waiting=wait, as_json=json)
    if code := asyncio.run(hand_in(options.settings(), order)):
        raise typer.Exit(code)
