"""Limits from the command line: which one is meant, and how they are shown."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hive.acting_for import actor_of
from hive.printing import say, show_json, show_table
from hive.rates import read_rate, show_rate
from hive.settings import Settings
from hive.tasks.reaching import open_view
from hive_contracts.errors import ConfigurationError, UsageError
from hive_contracts.limits import Limit, LimitScope, UsedLimit, limit_name

__all__ = ["list_limits", "plain_limit", "read_target", "remove_limit", "set_limit", "show_limits"]


def read_target(*, queue: str | None, kind: str | None, key: str | None) -> tuple[LimitScope, str]:
    """Return what is to be limited.

    Raises:
        ConfigurationError: not exactly one thing is named.
    """
    named = [
        (scope, target)
        for scope, target in (
            (LimitScope.QUEUE, queue),
            (LimitScope.KIND, kind),
            (LimitScope.KEY, key),
        )
        if target is not None
    ]
    if len(named) != 1:
        raise ConfigurationError(
            "name what is limited with one of --queue, --kind and --key (what keys begin with)"
        )
    return named[0]


async def set_limit(
    settings: Settings,
    target: tuple[LimitScope, str],
    *,
    max_running: int | None,
    rate: str | None,
    burst: int | None,
) -> None:
    """Set a limit, and say which."""
    limit = Limit(
        scope=target[0],
        target=target[1],
        max_running=max_running,
        rate=None if rate is None else read_rate(rate),
        burst=burst,
    )
    async with open_view(settings) as view:
        await view.controls_of(actor_of(settings)).set_limit(limit)
    say(f"hive: limit {limit.name} holds from now on")


async def remove_limit(settings: Settings, target: tuple[LimitScope, str]) -> None:
    """Lift a limit.

    Raises:
        UsageError: there is none.
    """
    name = limit_name(*target)
    async with open_view(settings) as view:
        if not await view.controls_of(actor_of(settings)).remove_limit(*target):
            raise UsageError(f"there is no limit {name}; `hive limit list` shows those there are")
    say(f"hive: limit {name} is lifted")


async def list_limits(settings: Settings, *, as_json: bool) -> None:
    """Print every limit, and how far it is used."""
    async with open_view(settings) as view:
        limits = await view.controls_of(actor_of(settings)).limits()
    if as_json:
        show_json([plain_limit(used) for used in limits])
    elif limits:
        show_limits(limits)
    else:
        say("hive: no limits; try: hive limit set --kind agent --max-running 4")


def plain_limit(used: UsedLimit) -> dict[str, Any]:
    """Return a limit, and how far it is used, for programs."""
    limit = asdict(used.limit)
    return {"name": used.limit.name} | limit | {
        "running": used.running, "held_up": used.held_up, "tokens": used.tokens,
    }  # fmt: skip


def show_limits(limits: Sequence[UsedLimit]) -> None:
    """Print limits, and how far each is used."""
    rows = [
        [
            used.limit.name,
            _of(used.running, used.limit.max_running),
            "-" if used.limit.rate is None else show_rate(used.limit.rate),
            "-" if used.limit.burst is None else str(used.limit.burst),
            "-" if used.tokens is None else str(int(used.tokens)),
            str(used.held_up),
        ]
        for used in limits
    ]
    show_table(["limit", "running", "rate", "burst", "may start", "waiting"], rows)


def _of(running: int, most: int | None) -> str:
    return f"{running}" if most is None else f"{running} of {most}"
