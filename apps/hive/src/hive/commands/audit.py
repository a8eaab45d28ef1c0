"""`hive audit`: who did what by hand."""

from typing import Annotated

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["audit"]


@with_options
def audit(
    options: Options,
    *,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="NAME", help="Only to this queue, limit (kind:agent) or schedule."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Most to show.")] = 20,
    json: Json = False,
) -> None:
    """Show who paused, moved, limited, scheduled or pruned what, newest first.

    Example: hive audit --target images
    """
    from hive.steering.audit_trail import print_audit  # noqa: PLC0415

    run_main(print_audit(options.settings(), target=target, limit=limit, as_json=json))
