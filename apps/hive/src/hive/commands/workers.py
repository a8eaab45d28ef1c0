"""`hive workers`: who works, and what at."""

from hive.options import Json, Options, with_options

__all__ = ["workers"]


@with_options
def workers(options: Options, *, json: Json = False) -> None:
    """Show every worker and queen: where, since when, in which condition, and what runs there.

    Example: hive workers
    """
    import asyncio  # noqa: PLC0415 - `hive --help` must not pay for it

    from hive.looking.mustering import as_lines, as_plain, muster  # noqa: PLC0415
    from hive.printing import show, show_json  # noqa: PLC0415

    settings = options.settings()
    found = asyncio.run(muster(settings))
    if json:
        show_json(as_plain(found))
        return
    for line in as_lines(found):
        show(line)
