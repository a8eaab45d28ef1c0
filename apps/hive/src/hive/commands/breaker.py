"""`hive breaker`: what keeps tasks from beginning while a quota is used up."""

from typing import Annotated, Final, TypeAlias

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["app"]

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The breaker.")]

app: Final = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def breaker() -> None:
    """Show and set what keeps tasks from beginning while a quota is used up.

    Example: hive breaker list
    """


@app.command("list")
@with_options
def list_breakers(options: Options, *, json: Json = False) -> None:
    """List the breakers that are open, until when, and how many tasks wait.

    Example: hive breaker list
    """
    from hive.steering import breaking  # noqa: PLC0415

    run_main(breaking.list_breakers(options.settings(), as_json=json))


@app.command("open")
@with_options
def open_breaker(
    options: Options,
    name: Name,
    *,
    length: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="For how long; else until it is closed."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why, for those who wonder.")
    ] = None,
) -> None:
    """Have no task of a breaker begin from now on; what runs goes on.

    Example: hive breaker open anthropic:team --for 10m
    """
    from hive.durations import read_duration  # noqa: PLC0415
    from hive.steering import breaking  # noqa: PLC0415

    run_main(
        breaking.open_breaker(
            options.settings(),
            name,
            length=None if length is None else read_duration(length, flag="--for"),
            reason=reason,
        )
    )


@app.command("close")
@with_options
def close_breaker(options: Options, name: Name) -> None:
    """Close a breaker; all who wait for it are queued again.

    Example: hive breaker close anthropic:team
    """
    from hive.steering import breaking  # noqa: PLC0415

    run_main(breaking.close_breaker(options.settings(), name))
