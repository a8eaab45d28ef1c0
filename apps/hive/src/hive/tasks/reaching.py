"""How a command reaches its Hive: the store alone for looking, the bus beside it for waiting."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hive import up_state
from hive.printing import say
from hive.settings import Settings
from hive_contracts.errors import BusUnavailableError, UsageError
from hive_store import EventLog, FleetStore, Selector, TaskStore, open_line
from hive_store.onlooker import Onlooker

if TYPE_CHECKING:
    from hive_bus.bus import Bus
    from hive_client import Hive

__all__ = ["Reach", "View", "open_reach", "open_view"]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What can be looked at. All of it shares one connection."""

    tasks: TaskStore
    selector: Selector
    events: EventLog
    fleet: FleetStore
    onlooker: Onlooker


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A view, and what gives work to the Hive and hears of it."""

    view: View
    hive: "Hive"
    bus: "Bus | None"
    """None if no Redis is named: news is then found by looking."""


@asynccontextmanager
async def open_view(settings: Settings) -> AsyncGenerator[View]:
    """Give a view of the Hive that the settings name, else of the one that runs here.

    Raises:
        UsageError: none is named, and none runs here.
    """
    database, _ = _urls(settings)
    async with open_line(database) as line:
        yield View(
            tasks=TaskStore(line),
            selector=Selector(line),
            events=EventLog(line),
            fleet=FleetStore(line),
            onlooker=Onlooker(line),
        )


@asynccontextmanager
async def open_reach(settings: Settings) -> AsyncGenerator[Reach]:
    """Give a view and a client. Raises as `open_view` does."""
    from hive_bus.bus import Bus  # noqa: PLC0415 - 0.2 s that those who only look need not pay
    from hive_client import Hive  # noqa: PLC0415

    async with open_view(settings) as view:
        _, redis = _urls(settings)
        if redis is None:
            async with Hive.over(view.tasks, None) as hive:
                yield Reach(view=view, hive=hive, bus=None)
            return
        # What the bus logs of an outage, each part for itself, is told in one sentence here.
        logging.getLogger("hive_bus").setLevel(logging.ERROR)
        async with (
            Bus.open(redis, prefix=settings.redis.prefix) as bus,
            Hive.over(view.tasks, bus) as hive,
        ):
            await _tell_if_it_is_away(bus)
            yield Reach(view=view, hive=hive, bus=bus)


async def _tell_if_it_is_away(bus: "Bus") -> None:
    try:
        await bus.ping()
    except BusUnavailableError as error:
        say(f"hive: {error}; news is found by looking, a little later")


def _urls(settings: Settings) -> tuple[str, str | None]:
    # Not `resolve_urls`: whoever looks at tasks or submits them needs no Redis.
    database, redis = settings.database.url, settings.redis.url
    state = None
    if database is None or redis is None:
        state = up_state.read(settings.services.data_dir)
    if state is not None:
        database, redis = database or state.database_url, redis or state.redis_url
    if database is None:
        raise UsageError(
            "Hive is not running here; start it with `hive up -d`,"
            " or name its Postgres with HIVE_DATABASE_URL"
        )
    return database, redis
