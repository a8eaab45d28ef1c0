"""What people did by hand, as `hive audit` prints it."""

from dataclasses import asdict

from hive.moments import show_moment
from hive.printing import as_json as json_of
from hive.printing import say, show_json, show_table
from hive.settings import Settings
from hive.tasks.reaching import open_view

__all__ = ["print_audit"]


async def print_audit(settings: Settings, *, target: str | None, limit: int, as_json: bool) -> None:
    """Print deeds, newest first."""
    async with open_view(settings) as view:
        deeds = await view.deeds(target=target, limit=limit)
    if as_json:
        show_json([asdict(deed) for deed in deeds])
        return
    if not deeds:
        say("hive: nothing was done by hand")
        return
    rows = [
        [
            show_moment(deed.at),
            f"{deed.actor}@{deed.host}",
            deed.what,
            deed.target or "",
            json_of(deed.details) if deed.details else "",
        ]
        for deed in deeds
    ]
    show_table(["at", "who", "what", "target", "details"], rows)
