"""Circuit breakers from the command line."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from hive.acting_for import actor_of
from hive.breakers import how_it_stands
from hive.durations import show_seconds
from hive.printing import say, show_json, show_table
from hive.settings import Settings
from hive.tasks.reaching import open_view
from hive.words import counted
from hive_contracts.errors import UsageError
from hive_contracts.limits import Breaker

__all__ = ["close_breaker", "list_breakers", "open_breaker"]


async def open_breaker(
    settings: Settings, name: str, *, length: timedelta | None, reason: str | None
) -> None:
    """Open a breaker, and say so."""
    async with open_view(settings) as view:
        controls = view.controls_of(actor_of(settings))
        await controls.open_breaker(name, length=length, reason=reason)
    until = (
        "until it is closed" if length is None else f"for {show_seconds(length.total_seconds())}"
    )
    say(f"hive: breaker {name} is open {until}; `hive breaker close {name}` closes it")


async def close_breaker(settings: Settings, name: str) -> None:
    """Close a breaker, and say so.

    Raises:
        UsageError: it is not open.
    """
    async with open_view(settings) as view:
        if not await view.controls_of(actor_of(settings)).close_breaker(name):
            raise UsageError(f"no breaker {name} is open; `hive breaker list` shows those that are")
    say(f"hive: breaker {name} is closed")


async def list_breakers(settings: Settings, *, as_json: bool) -> None:
    """Print every breaker that is not closed."""
    async with open_view(settings) as view:
        breakers = await view.controls_of(actor_of(settings)).breakers()
    if as_json:
        show_json([asdict(breaker) for breaker in breakers])
    elif breakers:
        _show(breakers)
    else:
        say("hive: no breaker is open")


def _show(breakers: Sequence[Breaker]) -> None:
    rows = [
        [
            breaker.name,
            how_it_stands(breaker),
            counted(breaker.opened, "time"),
            str(breaker.waiting),
            breaker.reason or "-",
        ]
        for breaker in breakers
    ]
    show_table(["breaker", "state", "opened", "waiting", "reason"], rows)
