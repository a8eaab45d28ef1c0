"""`hive status`: how the Hive does, at a glance or all the time."""

from typing import Annotated, Final

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["status"]

LEAST_INTERVAL_SECONDS: Final = 0.1
"""Each look counts the whole table of tasks."""


@with_options
def status(
    options: Options,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on looking, until Ctrl-C (exit code 130).")
    ] = False,
    interval: Annotated[
        str | None,
        typer.Option("--interval", metavar="DURATION", help="With --watch: not every 1s."),
    ] = None,
    json: Json = False,
) -> None:
    """Show how many tasks are in which state, who works, and how fast tasks end.

    Example: hive status --watch

    --watch redraws the page in place; off a terminal it prints one after another, with --json a
    document a line. It goes on when Postgres is away for a while.
    """
    from hive.looking.surveying import as_lines, as_plain, survey_once  # noqa: PLC0415
    from hive.printing import show, show_json  # noqa: PLC0415

    interval_seconds = _interval_seconds(interval, is_watching=watch)
    if watch:
        from hive.looking.watching import watch as go_on_looking  # noqa: PLC0415

        looking = go_on_looking(options.settings(), interval_seconds=interval_seconds, is_json=json)
        raise typer.Exit(run_main(looking))
    found = run_main(survey_once(options.settings()))
    if json:
        show_json(as_plain(found))
        return
    for line in as_lines(found):
        show(line)


def _interval_seconds(interval: str | None, *, is_watching: bool) -> float:
    from hive.durations import read_duration  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    if interval is None:
        return 1.0
    if not is_watching:
        raise ConfigurationError("--interval is for --watch; add it, or leave --interval out")
    seconds = read_duration(interval, flag="--interval").total_seconds()
    if seconds < LEAST_INTERVAL_SECONDS:
        raise ConfigurationError(f"--interval is {interval!r}; it must be at least 100ms")
    return seconds
