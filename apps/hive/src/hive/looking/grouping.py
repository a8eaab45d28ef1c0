"""How far a group is, as `hive group show` prints it."""

from typing import Any

from hive.durations import show_seconds
from hive.settings import Settings
from hive.tasks.reaching import open_view
from hive.words import counted
from hive_contracts.errors import ConfigurationError
from hive_contracts.states import TaskState
from hive_store.selector import GroupProgress

__all__ = ["as_lines", "as_plain", "look_at_group"]


async def look_at_group(settings: Settings, name: str) -> GroupProgress:
    """Look at a group once.

    Raises:
        ConfigurationError: there is no such group.
    """
    async with open_view(settings) as view:
        found = await view.selector.progress(name)
    if not found.counts:
        raise ConfigurationError(
            f"there is no group {name!r}; `hive list` shows the groups of the newest tasks"
        )
    return found


def as_plain(name: str, found: GroupProgress) -> dict[str, Any]:
    """Return everything for programs."""
    return {
        "group": name,
        "tasks": found.total,
        "ended": found.ended,
        "states": {state: found.counts.get(state, 0) for state in TaskState},
        "ends_per_second": found.ends_per_second,
        "left_seconds": found.left_seconds,
    }


def as_lines(name: str, found: GroupProgress) -> list[str]:
    """Return everything for people."""
    percent = 100 * found.ended // found.total
    states = ", ".join(
        f"{found.counts[state]:,} {state}" for state in TaskState if state in found.counts
    )
    return [
        f"group {name}: {found.ended:,} of {counted(found.total, 'task')} ended ({percent} %)",
        f"  {states}",
        f"  {_outlook(found)}",
        "",
        f"next: hive list --group {name} | hive map --reattach {name} | hive cancel --group {name}",
    ]


def _outlook(found: GroupProgress) -> str:
    if found.ended == found.total:
        return "all have ended"
    if found.left_seconds is None:
        return "none has ended in the last minute, so nobody can say when all will have"
    rate = f"{found.ends_per_second:.2g} end a second"
    return f"{rate}; at that rate all will have in {show_seconds(found.left_seconds)}"
