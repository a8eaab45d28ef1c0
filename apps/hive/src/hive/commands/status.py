"""`hive status`: how the Hive does, at a glance."""

from hive.options import Json, Options, with_options

__all__ = ["status"]


@with_options
def status(options: Options, *, json: Json = False) -> None:
    """Show how many tasks are in which state, who works, and how fast tasks end."""
    import asyncio  # noqa: PLC0415 - `hive --help` must not pay for it

    from hive.printing import show, show_json  # noqa: PLC0415
    from hive.tasks.surveying import as_lines, as_plain, survey  # noqa: PLC0415

    found = asyncio.run(survey(options.settings()))
    if json:
        show_json(as_plain(found))
        return
    for line in as_lines(found):
        show(line)
