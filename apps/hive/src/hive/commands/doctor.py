"""`hive doctor`: whether Hive has what it needs, and how to mend what it lacks."""

import typer

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["doctor"]


@with_options
def doctor(options: Options, *, json: Json = False) -> None:
    """Look at everything that Hive needs, and say how to mend what is missing.

    Example: hive doctor

    Exits with 0 if all is well, else with 1. Changes nothing.
    """
    from dataclasses import asdict  # noqa: PLC0415

    from hive.checkup import check_up  # noqa: PLC0415
    from hive.printing import show, show_json, show_table  # noqa: PLC0415

    checks = run_main(check_up(options.settings()))
    if json:
        show_json([asdict(check) for check in checks])
    else:
        rows = [[c.name, "ok" if c.is_fine else "MEND", c.found] for c in checks]
        show_table(["what", "is", "found"], rows)
        for check in checks:
            if check.remedy:
                show(f"\nmend {check.name}: {check.remedy}")
    if not all(check.is_fine for check in checks):
        raise typer.Exit(1)
