"""`hive queen`: hand out work."""

from typing import Annotated

import typer

from hive.options import Options, with_options

__all__ = ["queen"]


@with_options
def queen(
    options: Options,
    *,
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="QUEUE=N", help="Its share while others want slots too."),
    ] = None,
) -> None:
    """Hand queued tasks to workers, until told to stop. Any number of queens may run.

    \b
    Examples:
      hive queen --set queen.metrics_port=9464
      hive queen --weight images=3 --weight mail=1
    """  # noqa: D301 - the escape is click's: what follows is not wrapped
    import uvloop  # noqa: PLC0415 - `hive --help` must not pay for it

    from hive.wiring import run_queen  # noqa: PLC0415

    uvloop.run(run_queen(options.settings(queen__weights=",".join(weight) if weight else None)))
