"""What was done to queues and limits, as `hive audit` prints it."""

from dataclasses import asdict

from hive.moments import show_moment
from hive.printing import as_json as json_of
from hive.printing import say, show_json, show_table
from hive.settings import Settings
from hive.steering.acting_for import actor_of
from hive.tasks.reaching import open_view

__all__ = ["print_audit"]


async def print_audit(settings: Settings, *, target: str | None, limit: int, as_json: bool) -> None:
    """Print acts, newest first."""
    async with open_view(settings) as view:
        acts = await view.controls_of(actor_of(settings)).audit(target=target, limit=limit)
    if as_json:
        show_json([asdict(act) for act in acts])
        return
    if not acts:
        say("hive: nothing was done to queues or limits")
        return
    rows = [
        [
            show_moment(act.at),
            f"{act.actor}@{act.host}",
            act.what,
            act.target,
            json_of(act.details) if act.details else "",
        ]
        for act in acts
    ]
    show_table(["at", "who", "what", "target", "details"], rows)
