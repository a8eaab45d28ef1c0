"""`hive migrate`: bring the database's schema up to date."""

from hive.options import Json, Options, with_options
from hive.running import run_main

__all__ = ["migrate"]


@with_options
def migrate(options: Options, *, json: Json = False) -> None:
    """Bring the database to the schema that this Hive works with. `hive up` does it by itself.

    Example: hive migrate --database-url postgresql://hive@db.example/hive

    Running it again changes nothing.
    """
    from hive.printing import say, show, show_json  # noqa: PLC0415
    from hive.urls import resolve_urls  # noqa: PLC0415
    from hive_store.migrating import migrate as apply  # noqa: PLC0415

    applied = run_main(apply(resolve_urls(options.settings()).database))
    if json:
        show_json({"applied": applied})
        return
    for name in applied:
        show(name)
    if not applied:
        say("hive: the schema is up to date; nothing was changed")
