"""`hive config`: every setting that is in force, and where it comes from."""

from typing import Annotated

import typer

from hive.completing import setting_keys
from hive.options import Json, Options, with_options

__all__ = ["config"]


@with_options
def config(
    options: Options,
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="[KEY]",
            help="Only this setting's value, as in worker.slots.",
            autocompletion=setting_keys,
        ),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Show every setting that is in force, its value, and which source gave it.

    Example: hive config worker.slots

    Passwords in addresses are not shown.
    """
    from dataclasses import asdict  # noqa: PLC0415

    from hive.in_force import find_in_force, in_force  # noqa: PLC0415
    from hive.printing import show, show_json, show_table  # noqa: PLC0415

    settings = options.settings()
    if key is not None:
        found = find_in_force(settings, key)
        if json:
            show_json(asdict(found))
        else:
            show(found.text)
        return
    every = in_force(settings)
    if json:
        show_json([asdict(one) for one in every])
        return
    rows = [
        [one.key, one.text or ("unset" if one.value is None else "empty"), one.origin]
        for one in every
    ]
    show_table(["setting", "value", "from"], rows)
