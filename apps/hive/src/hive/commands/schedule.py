"""`hive schedule`: tasks that are submitted again and again, at moments that are known before."""

from typing import Annotated, TypeAlias

import typer

from hive.command_options import CommandFlags, Shell
from hive.completing import kinds
from hive.options import Json, Options, with_options
from hive.running import run_main
from hive.task_options import FlagsOfAny, MaxAttempts

__all__ = ["app"]

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The schedule.")]

app = typer.Typer(
    help="Submit tasks again and again: by cron expression, by interval, or once at a moment.\n\n"
    "Example: hive schedule add nightly --cron '30 3 * * *' -- ./backup.sh",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(no_args_is_help=True)
@with_options
def add(
    options: Options,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="What to run, and its arguments."),
    ] = None,
    *,
    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="EXPR", help="When: '30 3 * * MON-FRI', or @daily."),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option("--zone", metavar="ZONE", help="Whose clock; UTC, or as Europe/Berlin."),
    ] = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="DURATION", help="When: each 30s, 5m, 1d.")
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option("--from", metavar="MOMENT", help="What --every counts from; default: now."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="MOMENT", help="When: once, at this moment.")
    ] = None,
    missed: Annotated[
        str,
        typer.Option("--missed", metavar="WHAT", help="Missed ticks run: skip, last or all."),
    ] = "last",
    overlap: Annotated[
        str,
        typer.Option("--overlap", metavar="WHAT", help="If one still runs: skip, allow or queue."),
    ] = "skip",
    max_missed: Annotated[
        int,
        typer.Option("--max-missed", metavar="N", help="Most ticks that are made up for or wait."),
    ] = 100,
    spread: Annotated[
        str | None,
        typer.Option("--spread", metavar="DURATION", help="Start up to so much later, at random."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", help="What, if no COMMAND.", autocompletion=kinds),
    ] = None,
    payload: Annotated[
        str | None, typer.Option("--payload", metavar="JSON|@FILE|-", help="The kind's input.")
    ] = None,
    shell: Shell = False,
    terms: CommandFlags,
    task: FlagsOfAny,
    max_attempts: MaxAttempts = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change the one of this name, if there is one.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also a kind that is not installed here.")
    ] = False,
    json: Json = False,
) -> None:
    """Add a schedule. A queen submits its task at each tick, exactly once.

    \b
    Examples:
      hive schedule add nightly --cron '30 3 * * *' --zone Europe/Rome -- ./backup
      hive schedule add pulse --every 5m --timeout 1m -- ./check {tick}
      hive schedule add report --cron @monthly --kind call --payload @report.json
      hive schedule add launch --at 2030-01-31T17:00 -- ./launch

    {tick} in the command or the payload stands for the tick's moment. The tasks' group is the
    schedule's name: hive list --group nightly. --expires-in counts from the tick.
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    from hive.scheduling.acting import add_schedule  # noqa: PLC0415
    from hive.scheduling.saying import SaidSchedule  # noqa: PLC0415
    from hive.submitting.said import said_task, task_of  # noqa: PLC0415
    from hive.submitting.work import said_work  # noqa: PLC0415

    work = said_work(command or [], kind, payload, terms, is_shell=shell)
    said = said_task(
        work.kind, work.payload, task, terms, max_attempts=max_attempts, expires_in=None
    )
    spoken = SaidSchedule(
        name=name, cron=cron, zone=zone, every=every, anchor=anchor, at=at, missed=missed,
        max_missed=max_missed, overlap=overlap, spread=spread, expires_in=task.expires_in,
    )  # fmt: skip
    run_main(
        add_schedule(
            options.settings(), spoken, task_of(said),
            is_forced=force, replaces=replace, as_json=json,
        )
    )  # fmt: skip


@app.command("list")
@with_options
def list_all(options: Options, *, json: Json = False) -> None:
    """List schedules, when each is due, and how it does.

    Example: hive schedule list
    """
    from hive.scheduling.acting import list_schedules  # noqa: PLC0415

    run_main(list_schedules(options.settings(), as_json=json))


@app.command()
@with_options
def show(
    options: Options,
    name: Name,
    *,
    full: Annotated[bool, typer.Option("--full", help="Cut nothing.")] = False,
    json: Json = False,
) -> None:
    """Show everything about a schedule. Its last ticks are among it.

    Example: hive schedule show nightly
    """
    from hive.scheduling.acting import show_schedule  # noqa: PLC0415

    run_main(show_schedule(options.settings(), name, is_full=full, as_json=json))


@app.command("next")
@with_options
def next_moments(
    options: Options,
    name: Name,
    *,
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="N", min=1, max=1000, help="How many.")
    ] = 5,
    json: Json = False,
) -> None:
    """Show at which moments a schedule will be due.

    Example: hive schedule next nightly -n 10
    """
    from hive.scheduling.acting import show_next  # noqa: PLC0415

    run_main(show_next(options.settings(), name, count=count, as_json=json))


@app.command()
@with_options
def run(options: Options, name: Name, *, json: Json = False) -> None:
    """Submit a schedule's task now. Its id is printed, and its ticks go on.

    Example: hive schedule run nightly
    """
    from hive.scheduling.acting import run_schedule  # noqa: PLC0415

    run_main(run_schedule(options.settings(), name, as_json=json))


@app.command()
@with_options
def pause(options: Options, name: Name) -> None:
    """Submit nothing until it is resumed. Its tasks are left alone.

    Example: hive schedule pause nightly
    """
    from hive.scheduling.acting import set_paused  # noqa: PLC0415

    run_main(set_paused(options.settings(), name, is_paused=True))


@app.command()
@with_options
def resume(options: Options, name: Name) -> None:
    """Go on with the next tick. What came meanwhile is not made up for.

    Example: hive schedule resume nightly
    """
    from hive.scheduling.acting import set_paused  # noqa: PLC0415

    run_main(set_paused(options.settings(), name, is_paused=False))


@app.command()
@with_options
def remove(options: Options, name: Name) -> None:
    """Remove a schedule. Its tasks stay.

    Example: hive schedule remove nightly
    """
    from hive.scheduling.acting import remove_schedule  # noqa: PLC0415

    run_main(remove_schedule(options.settings(), name))
