"""`hive queen`: hand out work."""

from typing import Annotated

import typer

from hive.options import Options, with_options
from hive.running import run_main
from hive.setting_out import setting_out

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
    with setting_out():
        import uvloop  # noqa: PLC0415 - `hive --help` must not pay for it

        from hive.wiring import run_queen  # noqa: PLC0415

        settings = options.settings(queen__weights=",".join(weight) if weight else None)
    run_main(run_queen(settings), new_loop=uvloop.new_event_loop)
