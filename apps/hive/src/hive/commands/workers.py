"""`hive workers`: who works, and what at."""

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["workers"]


@with_options
def workers(options: Options, *, json: Json = False) -> None:
    """Show every worker and queen: where, since when, in which condition, and what runs there.

    Example: hive workers
    """
    from hive.looking.mustering import as_lines, as_plain, muster  # noqa: PLC0415
    from hive.printing import show, show_json  # noqa: PLC0415

    settings = options.settings()
    found = run_main(muster(settings))
    if json:
        show_json(as_plain(found))
        return
    for line in as_lines(found):
        show(line)
