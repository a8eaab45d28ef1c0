"""`hive limit`: how many tasks may run at once, and how fast they may start, in the whole Hive."""

from typing import Annotated, Final, TypeAlias

import typer

from hive.completing import kinds, queues
from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["app"]

OfQueue: TypeAlias = Annotated[
    str | None,
    typer.Option("--queue", metavar="NAME", help="All of this queue.", autocompletion=queues),
]
OfKind: TypeAlias = Annotated[
    str | None,
    typer.Option("--kind", metavar="NAME", help="All of this kind.", autocompletion=kinds),
]
OfKey: TypeAlias = Annotated[
    str | None,
    typer.Option("--key", metavar="PREFIX", help="All whose key begins with this, together."),
]

app: Final = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def limit() -> None:
    """Limit how many tasks run at once, and how fast they start, in the whole Hive.

    Example: hive limit set --kind agent --max-running 4
    """


@app.command("set")
@with_options
def set_limit(
    options: Options,
    *,
    queue: OfQueue = None,
    kind: OfKind = None,
    key: OfKey = None,
    max_running: Annotated[
        int | None, typer.Option("--max-running", metavar="N", help="Most at once.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="N/TIME", help="How fast they may start.")
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option(
            "--burst", metavar="N", help="With --rate: most that start at once after a pause."
        ),
    ] = None,
) -> None:
    """Set a limit, or set it anew; it holds for everything that is claimed from now on.

    \b
    Examples:
      hive limit set --kind agent --max-running 4
      hive limit set --key acme: --rate 10/min --burst 20

    Without --burst a second's worth may start at once, one task at least.
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    from hive.steering import limiting  # noqa: PLC0415

    target = limiting.read_target(queue=queue, kind=kind, key=key)
    settings = options.settings()
    run_main(limiting.set_limit(settings, target, max_running=max_running, rate=rate, burst=burst))


@app.command("list")
@with_options
def list_limits(options: Options, *, json: Json = False) -> None:
    """List the limits, how far each is used, and how many tasks wait for it.

    Example: hive limit list
    """
    from hive.steering import limiting  # noqa: PLC0415

    run_main(limiting.list_limits(options.settings(), as_json=json))


@app.command("remove")
@with_options
def remove_limit(
    options: Options, *, queue: OfQueue = None, kind: OfKind = None, key: OfKey = None
) -> None:
    """Lift a limit; all who wait for it are queued again.

    Example: hive limit remove --kind agent
    """
    from hive.steering import limiting  # noqa: PLC0415

    target = limiting.read_target(queue=queue, kind=kind, key=key)
    run_main(limiting.remove_limit(options.settings(), target))
